/** A frame as a message: the JPEG, and what is known of it in headers. */

import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { crc32 } from 'crc';
import { BridgeError } from '../../errors.js';
import { parseJson } from '../../json.js';
import type { CallPicture } from '../../runner/index.js';

/** A frame that came from a broker. */
export interface RemoteFrame {
  readonly cameraId: string;
  /** Of the run that delivered it: with another one, `sequence` begins again. */
  readonly runId: string;
  readonly sequence: number;
  /** The camera's own capture number, when its script gives one. */
  readonly captureNumber: number | undefined;
  /** Unix milliseconds, of the machine where the camera is: the picture was taken; undefined: not known. */
  readonly capturedAtMs: number | undefined;
  /** Unix milliseconds, of the machine where the camera is: it was complete there. */
  readonly timestampMs: number;
  readonly width: number;
  readonly height: number;
  /** IEEE CRC-32 of the JPEG, 8 hexadecimal digits, computed where the camera is. */
  readonly crc32: string;
  readonly jpeg: Uint8Array;
  /** What the camera's script attached to it; undefined: nothing. */
  readonly data: unknown;
}

/** Of a frame, or of what a call says of one. */
export function frameHeaders(frame: CallPicture): MsgHdrs {
  const made = headers();
  made.set('Camera', frame.cameraId);
  made.set('Run', frame.runId);
  made.set('Sequence', String(frame.sequence));
  if (frame.captureNumber !== undefined) made.set('Number', String(frame.captureNumber));
  if (frame.capturedAtMs !== undefined) made.set('Captured-At-Ms', frame.capturedAtMs.toFixed(3));
  made.set('Timestamp-Ms', frame.timestampMs.toFixed(3));
  made.set('Width', String(frame.width));
  made.set('Height', String(frame.height));
  made.set('Crc32', frame.crc32);
  if (frame.data !== undefined) made.set('Data', asciiJson(frame.data));
  return made;
}

/** The frame of a message; FRAME_CORRUPT: it is none, or not as the camera captured it. */
export function frameOf({
  data,
  headers: given,
  subject,
}: Pick<Msg, 'data' | 'headers' | 'subject'>): RemoteFrame {
  const text = (name: string): string => given?.get(name) ?? '';
  const number = (name: string): number => (text(name) === '' ? Number.NaN : Number(text(name)));
  const maybe = (name: string): number | undefined => (text(name) === '' ? undefined : number(name));
  const frame = {
    cameraId: text('Camera'),
    runId: text('Run'),
    sequence: number('Sequence'),
    captureNumber: maybe('Number'),
    capturedAtMs: maybe('Captured-At-Ms'),
    timestampMs: number('Timestamp-Ms'),
    width: number('Width'),
    height: number('Height'),
    crc32: text('Crc32'),
    jpeg: data,
    data: jsonOf(text('Data')),
  };
  const { sequence, width, height } = frame;
  const whole = [sequence, width, height].every((value) => Number.isInteger(value) && value > 0);
  const sum = (crc32(Buffer.from(data.buffer, data.byteOffset, data.length)) >>> 0).toString(16);
  if (whole && sum.padStart(8, '0') === frame.crc32) return frame;
  const what = whole
    ? 'is not as it was captured: its checksum is another one'
    : 'is no frame of this program';
  throw new BridgeError('FRAME_CORRUPT', `What came on ${subject} ${what}.`, { context: { subject } });
}

/** Headers are ASCII. */
function asciiJson(value: unknown): string {
  const text = JSON.stringify(value);
  return text.replace(/[\u007f-\uffff]/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function jsonOf(text: string): unknown {
  try {
    return text === '' ? undefined : parseJson(text);
  } catch {
    return undefined;
  }
}

/** Throws BROKER_FAILED when a server takes no message of that size. */
export function checkSize(bytes: number, most = Number.POSITIVE_INFINITY): void {
  // Headers count as well; JetStream adds some of its own.
  const all = bytes + 4_096;
  if (all <= most) return;
  const size = 2 ** Math.ceil(Math.log2(Math.ceil(all / 2 ** 20)));
  throw new BridgeError(
    'BROKER_FAILED',
    `${bytes} bytes are more than NATS takes in a message: its max_payload is ${most}. Set max_payload: ${size}MB in the server's configuration, or make frames or results smaller.`,
    { context: { bytes, maxPayload: most } },
  );
}
