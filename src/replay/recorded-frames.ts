/** Frames and results out of an MCAP recording. */
import { BridgeError } from '../errors.js';
import { checkJpeg } from '../jpeg.js';
import { isMcap, lineIn, protobufFields, type RecordedMessage, readMcap } from './mcap.js';

export interface RecordedFrame {
  readonly cameraId: string;
  readonly sequence: number;
  /** Unix milliseconds at which it was complete on the host, and at which it was captured; the same where that is not known. */
  readonly timestampMs: number;
  readonly capturedAtMs: number;
  readonly jpeg: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

/** A JSON line of a run: of type `result`, or of an event. */
export interface RecordedLine {
  readonly cameraId: string;
  /** Of the frame that it is about; 0: none. */
  readonly sequence: number;
  readonly line: Readonly<Record<string, unknown>>;
}

export type RecordedItem =
  | { readonly type: 'frame'; readonly frame: RecordedFrame }
  | { readonly type: 'result'; readonly result: RecordedLine };

/** Fields of foxglove.CompressedImage. */
const DATA = 2;

/**
 * Frames and results in the order in which they were written; a result comes behind its frame. `progress` is told how much of
 * the file, 0 to 1, was read. FILE_FAILED: it cannot be read; OPTION_INVALID: it is no MCAP recording.
 */
export async function* readRecorded(
  path: string,
  kinds: readonly ('frame' | 'result')[],
  progress?: (part: number) => void,
): AsyncGenerator<RecordedItem> {
  await expectMcap(path);
  for await (const message of readMcap(path, new Set(kinds), progress)) {
    if (message.kind === 'result') yield { type: 'result', result: lineOf(message) };
    else {
      const frame = frameOf(message);
      if (frame) yield { type: 'frame', frame };
    }
  }
}

/** Its results and events alone. The same errors. */
export async function* readRecordedLines(
  path: string,
  kinds: readonly ('result' | 'event')[],
): AsyncGenerator<RecordedLine> {
  await expectMcap(path);
  for await (const message of readMcap(path, new Set(kinds))) yield lineOf(message);
}

async function expectMcap(path: string): Promise<void> {
  if (await isMcap(path)) return;
  throw new BridgeError('OPTION_INVALID', `${path} is no MCAP recording: give one that --record has made.`, {
    context: { path },
  });
}

/** The JPEG in a message of a frame. */
export const jpegOf = ({ data }: RecordedMessage): Uint8Array =>
  protobufFields(data).bytes.get(DATA) ?? data.subarray(0, 0);

function frameOf(message: RecordedMessage): RecordedFrame | undefined {
  const { cameraId, sequence, logMs, publishMs } = message;
  const jpeg = jpegOf(message);
  const check = checkJpeg(jpeg);
  if ('problem' in check) return undefined;
  const { width, height } = check.header;
  return { cameraId, sequence, timestampMs: logMs, capturedAtMs: publishMs, jpeg, width, height };
}

function lineOf(message: RecordedMessage): RecordedLine {
  const { cameraId, sequence } = message;
  return { cameraId, sequence, line: lineIn(message) };
}
