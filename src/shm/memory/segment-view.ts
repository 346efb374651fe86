/** Segments of other processes, mapped read-only. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { BridgeError } from '../../errors.js';
import { memory } from '../../libc-memory.js';
import { leadsTo, MAX_SEGMENT_SIZE, segmentName, segmentPath } from './segment-layout.js';
import { segmentError, systemCode } from './system-errors.js';

export interface SegmentView {
  readonly name: string;
  readonly size: number;
  /** The mapped bytes: read-only (writing kills the process); not to be touched after `close()`. */
  readonly buffer: ArrayBuffer;
  /** Where the bytes are in this process. */
  readonly address: number;
  /**
   * Before the mapped bytes are touched: throws `SHM_FAILED` after `close()`, and `SHM_INVALID` when another program cut
   * the file short. Touching what is not there would kill the process.
   */
  check(): void;
  /** Whether the name still leads to this segment. */
  current(): boolean;
  /** Idempotent. */
  close(): void;
}

/** `SHM_INVALID`: what stands under the name is not what a reader can use. */
export function invalid(name: string, why: string, context: Record<string, unknown> = {}): BridgeError {
  return new BridgeError('SHM_INVALID', `The shared memory ${name} ${why}`, {
    context: { name, ...context },
  });
}

/** `SHM_FAILED`: a reader that was closed is asked for something. */
export function closed(name: string): BridgeError {
  return new BridgeError('SHM_FAILED', `The reader of ${name} is closed: open it again to read.`, {
    context: { name },
  });
}

const ROOT = 0;
const WRITABLE_BY_ALL = 0o002;
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

function openForReading(name: string): number {
  try {
    return openSync(segmentPath(name), OPEN_FLAGS);
  } catch (error) {
    const code = systemCode(error);
    if (code === 'ENOENT') {
      throw new BridgeError(
        'SHM_FAILED',
        `There is no shared memory ${name}. Start the bridge that writes it, or check the name (\`ls /dev/shm\`).`,
        { context: { name, errno: code }, cause: error },
      );
    }
    throw segmentError('open', name, error);
  }
}

/**
 * Maps an existing segment read-only. Throws `SHM_FAILED` (`context.errno` is `ENOENT` when the name does not exist),
 * `SHM_INVALID` when it is no regular file, its size is impossible, or a stranger lets everybody write to it, `OPTION_INVALID` or `UNSUPPORTED`.
 */
export function viewSegment(givenName: string, headerSize: number): SegmentView {
  const name = segmentName(givenName);
  const libc = memory();
  const fd = openForReading(name);
  try {
    const file = fstatSync(fd);
    if (!file.isFile()) throw invalid(name, 'is not a regular file.');
    const own = file.uid === process.geteuid?.() || file.uid === ROOT;
    if (!own && (file.mode & WRITABLE_BY_ALL) !== 0) {
      throw invalid(
        name,
        `belongs to another user (uid ${file.uid}) and may be written by everybody: what is in it, and that it stays ` +
          'as long as it is, cannot be relied on.',
        { uid: file.uid },
      );
    }
    const size = file.size;
    if (size < headerSize || size > MAX_SEGMENT_SIZE) {
      throw invalid(
        name,
        `is ${size} bytes long: not a segment of this kind (${headerSize} to ${MAX_SEGMENT_SIZE} bytes).`,
        { size },
      );
    }
    const mapping = libc.map(fd, size, 'read');
    let open = true;
    return {
      name,
      size,
      buffer: mapping.buffer,
      address: mapping.address,
      check() {
        if (!open) throw closed(name);
        if (fstatSync(fd).size < size)
          throw invalid(name, 'was cut short by another program. Restart the program that writes it.');
      },
      current: () => leadsTo(segmentPath(name), file),
      close() {
        if (!open) return;
        open = false;
        mapping.unmap();
        closeSync(fd);
      },
    };
  } catch (error) {
    closeSync(fd);
    throw segmentError('map', name, error);
  }
}
