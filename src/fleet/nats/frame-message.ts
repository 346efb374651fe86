/** A frame as a message: the JPEG, and what is known of it in headers. */

import { headers, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { crc32 } from 'crc';
import { BridgeError } from '../../errors.js';
import type { Frame } from '../../frames/index.js';

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
}

export function frameHeaders(frame: Frame): MsgHdrs {
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
