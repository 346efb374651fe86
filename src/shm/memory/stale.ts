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
import { decodeOwner, liveness, OWNER_CLOSED, OWNER_STATE_OFFSET, type OwnerRecord } from './owner.js';
import { posix } from './posix.js';
import { MAX_SEGMENT_SIZE, type SegmentLayout } from './segment-layout.js';
import { segmentPath } from './segment-name.js';
import { segmentError, systemCode } from './system-errors.js';
import { waker } from './wake-word.js';

/** Read and write, never through a symbolic link, never waiting for the other end of a named pipe. */
const OPEN_FLAGS = constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function withFile<T>(path: string, use: (fd: number) => T): T {
  const fd = openSync(path, OPEN_FLAGS);
  try {
    return use(fd);
  } finally {
    closeSync(fd);
  }
}

function inUse(name: string, why: string, pid?: number): BridgeError {
  return new BridgeError('SHM_IN_USE', `The shared memory ${name} ${why}`, {
    context: pid === undefined ? { name } : { name, pid },
  });
}

function foreign(name: string, { option }: SegmentLayout, what: string): BridgeError {
  return inUse(
    name,
    `is taken: ${segmentPath(name)} ${what}. Remove it if nothing needs it, or choose another name (${option}).`,
  );
}

function held(name: string, { option }: SegmentLayout, owner: OwnerRecord): BridgeError {
  const where = liveness(owner) === 'unknown' ? ' in another container' : '';
  const who = owner.pid === process.pid && where === '' ? ', which is this very process' : where;
  return inUse(
    name,
    `is in use by process ${owner.pid}${who}. Stop that one, or choose another name (${option}).`,
    owner.pid,
  );
}

function readOwner(fd: number, layout: SegmentLayout): OwnerRecord | undefined {
  const header = new Uint8Array(layout.headerSize);
  if (readSync(fd, header, 0, header.length, 0) < header.length) return undefined;
  if (new Uint32Array(header.buffer, 0, 1)[0] !== layout.magic) return undefined;
  return decodeOwner(header, layout.ownerOffset);
}

/** Tells readers that still map the old segment that no more will come, and ends a write that will never end. */
function retire(fd: number, layout: SegmentLayout): void {
  writeSync(fd, new Uint32Array([OWNER_CLOSED]), 0, 4, layout.ownerOffset + OWNER_STATE_OFFSET);
  layout.retire?.(fd);
  wakeReaders(fd, layout);
}

/** Readers that sleep on the old segment look at it once more, and find that it is closed. */
function wakeReaders(fd: number, layout: SegmentLayout): void {
  const { size } = fstatSync(fd);
  const offset = layout.wakeOffset?.(size);
  if (offset === undefined || offset < 0 || offset % 4 !== 0 || offset + 4 > size || size > MAX_SEGMENT_SIZE)
    return;
  const mapping = posix().map(fd, size, 'write');
  waker(mapping, size, layout)();
  mapping.unmap();
}

/**
 * `free`: nothing stands there (any more). `changing`: another process is taking it over, or giving it up, at this
 * moment: ask again.
 */
export function clearName(name: string, layout: SegmentLayout): 'free' | 'changing' {
  const path = segmentPath(name);
  try {
    return withFile(path, (fd) => {
      const file = fstatSync(fd);
      if (!file.isFile()) throw foreign(name, layout, 'is not a regular file');
      if (file.uid !== process.geteuid?.())
        throw foreign(name, layout, `belongs to another user (uid ${file.uid})`);
      const owner = readOwner(fd, layout);
      if (owner === undefined) throw foreign(name, layout, 'was made by another program');
      const locked = posix().tryLock(fd);
      const life = liveness(owner);
      // Someone else is taking it over, or its owner is about to remove it.
      if (!locked && (life === 'dead' || owner.closed)) return 'changing';
      if (!locked || (life === 'alive' && !owner.closed)) throw held(name, layout, owner);
      // Only who holds the lock of the segment behind a name takes the name away: no race from here on.
      const now = lstatSync(path, { throwIfNoEntry: false });
      if (now === undefined) return 'free';
      if (now.ino !== file.ino) return 'changing';
      retire(fd, layout);
      unlinkSync(path);
      return 'free';
    });
  } catch (error) {
    switch (systemCode(error)) {
      case 'ENOENT':
        return 'free';
      case 'ELOOP':
        throw foreign(name, layout, 'is a symbolic link');
      case 'EACCES':
      case 'EPERM':
        throw foreign(name, layout, 'belongs to another user');
      case 'EISDIR':
      case 'ENXIO':
        throw foreign(name, layout, 'is not a regular file');
      default:
        throw segmentError('take over', name, error);
    }
  }
}
