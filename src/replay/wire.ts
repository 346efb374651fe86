/** What went over a line, as it was recorded at the host's end: in the order in which the host sent and heard it. */
import type { LineKind, LineTap } from '../link/index.js';

/** Who sent. */
export type Side = 'host' | 'camera';

/** `atMs`: Unix milliseconds, or milliseconds of the recording's own clock. */
export type WireEntry =
  /** A line was opened; a recording may have several, one after the other. */
  | { readonly atMs: number; readonly type: 'opened'; readonly name: string; readonly kind: LineKind }
  /** Bytes of one read or write, in any chunking. */
  | { readonly atMs: number; readonly type: 'bytes'; readonly from: Side; readonly bytes: Uint8Array }
  /** The line is over. `code`: of the error that it ended in. */
  | { readonly atMs: number; readonly type: 'closed'; readonly code?: string | undefined };

/** Entries of a recording, in order. */
export type WireEntries = AsyncIterable<WireEntry> | Iterable<WireEntry>;

/** Makes entries of what a line's tap sees, each with bytes of its own. */
export function entriesOf(take: (entry: WireEntry) => void, now: () => number = unixMs): LineTap {
  const bytes = (from: Side, chunk: Uint8Array): void =>
    take({ atMs: now(), type: 'bytes', from, bytes: Uint8Array.from(chunk) });
  return {
    opened: ({ name, kind }) => take({ atMs: now(), type: 'opened', name, kind }),
    sent: (chunk) => bytes('host', chunk),
    received: (chunk) => bytes('camera', chunk),
    closed: (error) => take({ atMs: now(), type: 'closed', code: error?.code }),
  };
}

/** Unix milliseconds, to the microsecond; goes only forward. */
function unixMs(): number {
  return performance.timeOrigin + performance.now();
}
