/** Checks of what a caller gives with a frame. */
import { types } from 'node:util';
import { BridgeError } from '../errors.js';

const MAX_U32 = 0xffff_ffff;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;
const NS_PER_MS = 1_000_000;

/** Unix time in milliseconds, fractions kept, or in nanoseconds. */
export type FrameTime = { readonly timestampMs: number } | { readonly timestampNs: bigint };

/** `OPTION_INVALID`: a value of a frame cannot be. */
export function wrong(what: string, value: unknown): BridgeError {
  const context = { what, value: String(value) };
  return new BridgeError(
    'OPTION_INVALID',
    `A frame for shared memory has an impossible ${what}: ${context.value}.`,
    { context },
  );
}

/** Throws `OPTION_INVALID` unless `value` is a whole number from `lowest` to `highest`. */
export function checkInteger(what: string, value: number, lowest: number, highest: number): void {
  if (!Number.isInteger(value) || value < lowest || value > highest) throw wrong(what, value);
}

/** Throws `OPTION_INVALID` for what has no bytes. */
export function checkBytes(bytes: Uint8Array): void {
  if (!types.isUint8Array(bytes) || bytes.length === 0) throw wrong('content', 'no bytes');
}

/** Checks sizes and sequence, and gives the frame's time in nanoseconds. Throws `OPTION_INVALID`. */
export function checkFrame(
  frame: FrameTime & { readonly width: number; readonly height: number; readonly sequence: number },
  leastSequence: number,
): bigint {
  checkInteger('width', frame.width, 0, MAX_U32);
  checkInteger('height', frame.height, 0, MAX_U32);
  checkInteger('sequence', frame.sequence, leastSequence, Number.MAX_SAFE_INTEGER);
  return nanoseconds(frame);
}

/** A frame's time: Unix time as an unsigned 64-bit count of nanoseconds. Throws `OPTION_INVALID`. */
export function nanoseconds(frame: FrameTime): bigint {
  if ('timestampNs' in frame) {
    if (frame.timestampNs < 0n || frame.timestampNs > MAX_U64) throw wrong('timestamp', frame.timestampNs);
    return frame.timestampNs;
  }
  const { timestampMs } = frame;
  // A double holds today's milliseconds with a fraction of a quarter microsecond, but not today's nanoseconds.
  const whole = Math.floor(timestampMs);
  if (!Number.isSafeInteger(whole) || whole < 0 || whole > Number(MAX_U64) / NS_PER_MS - 1) {
    throw wrong('timestamp', timestampMs);
  }
  return BigInt(whole) * BigInt(NS_PER_MS) + BigInt(Math.round((timestampMs - whole) * NS_PER_MS));
}

/** A count from 1 as the 32 bits that segments have for it: 0, which means that there is none yet, is skipped. */
export function sequenceWord(sequence: number): number {
  return ((sequence - 1) % MAX_U32) + 1;
}
