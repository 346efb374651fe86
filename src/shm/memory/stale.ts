/**
 * Makes a segment's name free: a leftover of a dead owner goes, everything else stays and is reported. Whether an
 * owner lives is asked twice: of the kernel, which drops the owner's lock on the segment when it dies, in whatever
 * container it ran; and by pid and start time.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { BridgeError } from '../../errors.js';
import { futex, type Mapping, memory } from '../../libc-memory.js';
import { decodeOwner, liveness, OWNER_CLOSED, OWNER_STATE_OFFSET, type OwnerRecord } from './owner.js';
import { MAX_SEGMENT_SIZE, type SegmentLayout, segmentPath } from './segment-layout.js';
import { segmentError, systemCode } from './system-errors.js';

/** Read and write, never through a symbolic link, never waiting for the other end of a named pipe. */
const OPEN_FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** What the names of files that cannot be opened say of them. */
const FOREIGN: Readonly<Record<string, string>> = {
  ELOOP: 'is a symbolic link',
  EACCES: 'belongs to another user',
  EPERM: 'belongs to another user',
  EISDIR: 'is not a regular file',
  ENXIO: 'is not a regular file',
};

function foreign(name: string, what: string): BridgeError {
  return new BridgeError(
    'SHM_IN_USE',
    `The shared memory ${name} is taken: ${segmentPath(name)} ${what}. Remove it if nothing needs it, or choose ` +
      'another name.',
    { context: { name } },
  );
}

function held(name: string, owner: OwnerRecord): BridgeError {
  const { pid } = owner;
  const where = liveness(owner) === 'unknown' ? ' in another container' : '';
  const who = pid === process.pid && where === '' ? ', which is this very process' : where;
  return new BridgeError(
    'SHM_IN_USE',
    `The shared memory ${name} is in use by process ${pid}${who}. Stop that one, or choose another name.`,
    { context: { name, pid } },
  );
}

/** Who made the segment behind a descriptor; undefined: it has no owner record of that layout. */
export function readOwner(fd: number, layout: SegmentLayout): OwnerRecord | undefined {
  const header = new Uint8Array(layout.headerSize);
  if (readSync(fd, header, 0, header.length, 0) < header.length) return undefined;
  if (new Uint32Array(header.buffer, 0, 1)[0] !== layout.magic) return undefined;
  return decodeOwner(header, layout.ownerOffset);
}

/** Raises the wake word of a mapped segment and wakes the readers that wait on it. */
export function waker(mapping: Mapping, size: number, layout: SegmentLayout): () => void {
  const offset = layout.wakeOffset(size);
  const word = new Int32Array(mapping.buffer, offset, 1);
  const system = futex();
  return () => {
    Atomics.add(word, 0, 1);
    system?.wake(mapping.address + offset);
  };
}

/** Tells readers that still map the old segment that no more will come, and ends a write that will never end. */
function retire(fd: number, layout: SegmentLayout): void {
  writeSync(fd, new Uint32Array([OWNER_CLOSED]), 0, 4, layout.ownerOffset + OWNER_STATE_OFFSET);
  layout.retire?.(fd);
  const { size } = fstatSync(fd);
  const offset = layout.wakeOffset(size);
  if (offset < 0 || offset % 4 !== 0 || offset + 4 > size || size > MAX_SEGMENT_SIZE) return;
  // Readers that sleep on the old segment look at it once more, and find that it is closed.
  const mapping = memory().map(fd, size, 'write');
  waker(mapping, size, layout)();
  mapping.unmap();
}

function clear(fd: number, name: string, layout: SegmentLayout): 'free' | 'changing' {
  const file = fstatSync(fd);
  if (!file.isFile()) throw foreign(name, 'is not a regular file');
  if (file.uid !== process.geteuid?.()) throw foreign(name, `belongs to another user (uid ${file.uid})`);
  const owner = readOwner(fd, layout);
  if (owner === undefined && !layout.abandoned?.(fd)) throw foreign(name, 'was made by another program');
  const locked = memory().tryLock(fd);
  const life = owner === undefined || owner.closed ? 'dead' : liveness(owner);
  // Another process is taking it over, or its owner is about to remove it.
  if (!locked && life === 'dead') return 'changing';
  if (owner !== undefined && (!locked || life === 'alive')) throw held(name, owner);
  // Only the holder of the lock of the segment behind a name takes the name away: no race from here on.
  const path = segmentPath(name);
  const now = lstatSync(path, { throwIfNoEntry: false });
  if (now === undefined) return 'free';
  if (now.ino !== file.ino) return 'changing';
  if (owner === undefined) layout.retire?.(fd);
  else retire(fd, layout);
  unlinkSync(path);
  return 'free';
}

/**
 * `free`: nothing has the name (any more). `changing`: another process is taking it over, or giving it up, at this
 * moment: ask again. Throws `SHM_IN_USE` or `SHM_FAILED`.
 */
export function clearName(name: string, layout: SegmentLayout): 'free' | 'changing' {
  try {
    const fd = openSync(segmentPath(name), OPEN_FLAGS);
    try {
      return clear(fd, name, layout);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    const code = systemCode(error) ?? '';
    if (code === 'ENOENT') return 'free';
    const what = FOREIGN[code];
    throw what === undefined ? segmentError('take over', name, error) : foreign(name, what);
  }
}
