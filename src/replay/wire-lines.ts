/**
 * Recordings of a line as JSON lines, which scripts can write: `{"ms": 1.5, "from": "host", "hex": "aad5..."}` for the bytes of
 * one read or write, `{"ms": 0, "opened": "/dev/ttyACM0", "kind": "usb"}` and `{"ms": 9, "closed": "PORT_CLOSED"}` for the line.
 * Compressed with Brotli or gzip when the name ends in .br or .gz.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { createBrotliDecompress, createGunzip } from 'node:zlib';
import { z } from 'zod';
import { BridgeError } from '../errors.js';
import { readProblem } from '../files.js';
import type { WireEntry } from './wire.js';

/** Bytes of a line of text. One that is longer is no line of a recording, and would be read into memory. */
const LONGEST_LINE = 2 ** 24;
const NEWLINE = 0x0a;

const ms = z.number().min(0);
const lineSchema = z.union([
  z.object({
    ms,
    from: z.enum(['host', 'camera']),
    hex: z.string().regex(/^([0-9a-fA-F]{2})*$/, 'is no hexadecimal number of whole bytes'),
  }),
  z.object({ ms, opened: z.string(), kind: z.enum(['usb', 'uart', 'pty', 'virtual']) }),
  z.object({ ms, closed: z.string().nullable() }),
]);

/** The entries of such a file. FILE_FAILED: it cannot be read; OPTION_INVALID: it is something else. */
export async function* readWireLines(path: string): AsyncGenerator<WireEntry> {
  const file = createReadStream(path);
  const unpack = path.endsWith('.br')
    ? createBrotliDecompress()
    : path.endsWith('.gz')
      ? createGunzip()
      : undefined;
  if (unpack) file.on('error', (error) => unpack.destroy(error)).pipe(unpack);
  const input = unpack ?? file;
  let length = 0;
  input.on('data', (chunk: Buffer) => {
    const end = chunk.lastIndexOf(NEWLINE);
    length = end < 0 ? length + chunk.length : chunk.length - end - 1;
    if (length > LONGEST_LINE) input.destroy(new Error('it has a line of more than 16 MiB'));
  });
  let number = 0;
  try {
    for await (const text of createInterface({ input })) {
      number++;
      if (text !== '') yield entryOf(text);
    }
  } catch (cause) {
    if (number === 0) throw unreadable(path, cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BridgeError(
      'OPTION_INVALID',
      `${path} is no recording of a line: line ${number} cannot be read: ${reason}`,
      { context: { path }, cause },
    );
  } finally {
    file.destroy();
    unpack?.destroy();
  }
}

function entryOf(text: string): WireEntry {
  const parsed = lineSchema.safeParse(JSON.parse(text));
  if (!parsed.success) throw new Error('it has none of the three forms');
  const line = parsed.data;
  const atMs = line.ms;
  if ('hex' in line) return { atMs, type: 'bytes', from: line.from, bytes: Buffer.from(line.hex, 'hex') };
  if ('opened' in line) return { atMs, type: 'opened', name: line.opened, kind: line.kind };
  return { atMs, type: 'closed', code: line.closed ?? undefined };
}

/** One entry as such a line, for those who write them. */
export function wireLine(entry: WireEntry): string {
  const { atMs, type } = entry;
  const at = Math.round(atMs * 1_000) / 1_000;
  if (type === 'opened') return JSON.stringify({ ms: at, opened: entry.name, kind: entry.kind });
  if (type === 'closed') return JSON.stringify({ ms: at, closed: entry.code ?? null });
  return JSON.stringify({ ms: at, from: entry.from, hex: Buffer.from(entry.bytes).toString('hex') });
}

export function unreadable(path: string, cause: unknown): BridgeError {
  return new BridgeError('FILE_FAILED', `The recording ${path} cannot be read: ${readProblem(cause)}.`, {
    context: { path },
    cause,
  });
}
