/** The line of a camera out of an MCAP recording: messages `openmv.WireBytes`, and events for what kind of line it was. */
import type { LineKind } from '../link/index.js';
import { lineIn, protobufFields, type RecordedMessage, readMcap } from './mcap.js';
import type { WireEntry } from './wire.js';

/** Fields of openmv.WireBytes. */
const DATA = 2;
const FROM_CAMERA = 3;
const CONNECTION = 4;
/** Messages of a line that wait for the event that says what kind of line it is. */
const MOST_WAITING = 500;
const KINDS = new Set(['wire', 'event']);

/** The entries of the camera that comes first, in order. FILE_FAILED, OPTION_INVALID. */
export async function* readWireMcap(path: string): AsyncGenerator<WireEntry> {
  let camera: string | undefined;
  let connection: number | undefined;
  let line: { readonly name: string; readonly kind: LineKind } | undefined;
  let waiting: WireEntry[] = [];
  for await (const message of readMcap(path, KINDS)) {
    if (message.kind === 'event') {
      line ??= lineOf(message);
    } else {
      camera ??= message.cameraId;
      if (message.cameraId !== camera) continue;
      const { numbers, bytes } = protobufFields(message.data);
      const number = numbers.get(CONNECTION) ?? 0;
      const atMs = message.logMs;
      if (number !== connection) waiting.push({ atMs, type: 'opened', name: path, kind: 'usb' });
      connection = number;
      const from = numbers.get(FROM_CAMERA) === 1 ? 'camera' : 'host';
      waiting.push({ atMs, type: 'bytes', from, bytes: bytes.get(DATA) ?? new Uint8Array(0) });
    }
    if (!line && waiting.length < MOST_WAITING) continue;
    for (const entry of waiting) yield entry.type === 'opened' && line ? { ...entry, ...line } : entry;
    waiting = [];
  }
  yield* waiting;
}

/** A line by the port of the event `connected`; undefined: it is another event. */
function lineOf(message: RecordedMessage): { name: string; kind: LineKind } | undefined {
  const event = lineIn(message);
  if (event['type'] !== 'connected' || typeof event['port'] !== 'string') return undefined;
  const { port: name } = event;
  return { name, kind: name === 'virtual' ? 'virtual' : name.startsWith('/dev/pts/') ? 'pty' : 'usb' };
}
