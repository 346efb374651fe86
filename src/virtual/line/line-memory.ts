/**
 * The memory that the camera's Worker and the main thread share: one ring of bytes for each direction, and a
 * block of control words. It outlives a Worker, so bytes sent while the camera reboots wait for it, as they wait
 * in a USB device's buffers.
 *
 * Each ring has one writer and one reader. Positions are counters that wrap at 2^32; a writer stores its bytes
 * before it stores its position, a reader is done with bytes before it stores its own.
 */
export interface LineMemory {
  readonly control: SharedArrayBuffer;
  readonly toCamera: SharedArrayBuffer;
  readonly toHost: SharedArrayBuffer;
}

/** Both are powers of two. A host waits for its answers: 64 KiB hold what one can send while the camera boots. */
const TO_CAMERA_SIZE = 64 * 1024;
const TO_HOST_SIZE = 512 * 1024;

/** Indexes of the control words. */
export const Word = {
  /** Goes up whenever the main thread has something for the Worker; the Worker waits on it. */
  SIGNAL: 0,
  /** Goes up when a host comes (odd) and when it goes (even). */
  HOST: 1,
  /** The value of HOST that the Worker has acted on. */
  HOST_SEEN: 2,
  /** How many bytes were written and read in each direction. */
  TO_CAMERA_WRITTEN: 3,
  TO_CAMERA_READ: 4,
  TO_HOST_WRITTEN: 5,
  TO_HOST_READ: 6,
  /** What lies before these positions was meant for an earlier host, or came from one. */
  TO_CAMERA_MARK: 7,
  TO_HOST_MARK: 8,
  /** 1 while a message that wakes the main thread is under way. */
  WAKING: 9,
} as const;

const WORDS = 16;

export function createLineMemory(): LineMemory {
  return {
    control: new SharedArrayBuffer(4 * WORDS),
    toCamera: new SharedArrayBuffer(TO_CAMERA_SIZE),
    toHost: new SharedArrayBuffer(TO_HOST_SIZE),
  };
}

/** Distance between two positions. */
export const distance = (from: number, to: number): number => (to - from) >>> 0;

/** Copies as much of `bytes` as is free into the ring; returns how many bytes that was. */
export function ringWrite(ring: Uint8Array, bytes: Uint8Array, written: number, read: number): number {
  const count = Math.min(bytes.length, ring.length - distance(read, written));
  const at = (written >>> 0) % ring.length;
  const first = Math.min(count, ring.length - at);
  ring.set(bytes.subarray(0, first), at);
  if (count > first) ring.set(bytes.subarray(first, count), 0);
  return count;
}

/** Copies the bytes between two positions, as many as fit, into `target`; returns how many. */
export function ringRead(ring: Uint8Array, target: Uint8Array, from: number, to: number): number {
  const count = Math.min(target.length, distance(from, to));
  const at = (from >>> 0) % ring.length;
  const first = Math.min(count, ring.length - at);
  target.set(ring.subarray(at, at + first));
  if (count > first) target.set(ring.subarray(0, count - first), first);
  return count;
}
