/** What went over a line, as it was recorded at the host's end: in the order in which the host sent and heard it. */
import type { LineKind, LineTap } from '../link/index.js';

/** Who sent. */
export type Side = 'host' | 'camera';

/** Bytes of one read or write, in any chunking. */
export interface WireBytes {
  readonly atMs: number;
  readonly type: 'bytes';
  readonly from: Side;
  readonly bytes: Uint8Array;
}

/** `atMs`: Unix milliseconds, or milliseconds of the recording's own clock. */
export type WireEntry =
  /** A line was opened; a recording may have several, one after the other. */
  | { readonly atMs: number; readonly type: 'opened'; readonly name: string; readonly kind: LineKind }
  | WireBytes
  /** The line is over. `code`: of the error that it ended in. */
  | { readonly atMs: number; readonly type: 'closed'; readonly code?: string | undefined };

/** Entries of a recording, in order. */
export type WireEntries = AsyncIterable<WireEntry> | Iterable<WireEntry>;

/** Makes entries of what a line's tap sees, each with bytes of its own. */
export function entriesOf(take: (entry: WireEntry) => void): LineTap {
  const now = (): number => performance.timeOrigin + performance.now();
  const bytes = (from: Side, chunk: Uint8Array, atMs: number): void =>
    take({ atMs, type: 'bytes', from, bytes: Uint8Array.from(chunk) });
  return {
    opened: ({ name, kind }) => take({ atMs: now(), type: 'opened', name, kind }),
    sent: (chunk, atMs) => bytes('host', chunk, atMs),
    received: (chunk, atMs) => bytes('camera', chunk, atMs),
    closed: (error) => take({ atMs: now(), type: 'closed', code: error?.code }),
  };
}
