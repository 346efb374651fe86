/** What a bridge tells, as messages of channels. */
import {
  type BridgeEvent,
  type BridgeStats,
  eventLine,
  type FrameOutcome,
  frameLine,
  resultLine,
  statsLine,
} from '../bridge/index.js';
import type { Frame } from '../frames/index.js';
import { annotations } from './annotations.js';
import { field, join, numberField, timestampField } from './protobuf.js';
import type { ChannelKind } from './schemas.js';

export interface Message {
  readonly kind: ChannelKind;
  readonly cameraId: string;
  /** Unix nanoseconds at which it was there. */
  readonly logTime: bigint;
  /** Unix nanoseconds of what it tells: of a frame and all about it, when it was captured, as far as that is known. */
  readonly publishTime: bigint;
  /** Of the frame that it is about; 0: none. */
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** Unix nanoseconds. */
export const nanoseconds = (ms: number): bigint => BigInt(Math.round(ms * 1_000)) * 1_000n;

/** When the sensor had the picture where that is known, else when it was complete on the host. */
export const capturedNs = ({ capturedAtMs, timestampMs }: Frame): bigint =>
  nanoseconds(capturedAtMs ?? timestampMs);

const encoder = new TextEncoder();
const json = (value: object): Uint8Array => encoder.encode(JSON.stringify(value));

const frameHead = (frame: Frame) => ({
  cameraId: frame.cameraId,
  sequence: frame.sequence,
  logTime: nanoseconds(frame.timestampMs),
  publishTime: capturedNs(frame),
});

export function frameMessage(frame: Frame): Message {
  const head = frameHead(frame);
  const data = join([
    timestampField(1, head.publishTime),
    field(2, frame.jpeg),
    field(3, 'jpeg'),
    field(4, frame.cameraId),
  ]);
  return { kind: 'frame', ...head, data };
}

/** A frame's JSON line, which has what the image has no place for. */
export const frameLineMessage = (frame: Frame): Message => ({
  kind: 'event',
  ...frameHead(frame),
  data: json(frameLine(frame)),
});

/** A result, and what is drawn of it on the frame; of a frame that was skipped nothing, which is an event. */
export function outcomeMessages(outcome: FrameOutcome): Message[] {
  if (outcome.outcome === 'skipped') return [];
  const { frame, result } = outcome;
  const { cameraId, sequence } = frame;
  const line = resultLine(result);
  const head = { cameraId, sequence, logTime: nanoseconds(line.timestampMs), publishTime: capturedNs(frame) };
  return [
    { kind: 'result', ...head, data: json(line) },
    { kind: 'annotations', ...head, data: json(annotations(frame, result, head.publishTime)) },
  ];
}

export function statsMessage(stats: BridgeStats): Message {
  return lineMessage('stats', stats.cameraId, statsLine(stats));
}

/** An event, and the line of the log that it makes. */
export function eventMessages(event: BridgeEvent): Message[] {
  const { cameraId } = event;
  const line = eventLine(event) as { timestampMs: number };
  const sequence = event.type === 'skipped' ? event.sequence : 0;
  const message = { ...lineMessage('event', cameraId, line), sequence };
  const log = logOf(event);
  if (!log) return [message];
  const [level, text, name = cameraId] = log;
  const timestamp = timeOf(message.logTime);
  const data = json({ timestamp, level: LEVELS[level], message: text, name, file: '', line: 0 });
  return [message, { ...message, kind: 'log', data }];
}

/** Bytes of the line between host and camera. */
export function wireMessage(
  cameraId: string,
  ms: number,
  fromCamera: boolean,
  connection: number,
  bytes: Uint8Array,
): Message {
  const time = nanoseconds(ms);
  const data = join([
    timestampField(1, time),
    field(2, bytes),
    numberField(3, Number(fromCamera)),
    numberField(4, connection),
  ]);
  return { kind: 'wire', cameraId, sequence: 0, logTime: time, publishTime: time, data };
}

/** As Foxglove's JSON messages have times. */
export const timeOf = (ns: bigint) => ({
  sec: Number(ns / 1_000_000_000n),
  nsec: Number(ns % 1_000_000_000n),
});

function lineMessage(kind: ChannelKind, cameraId: string, line: { readonly timestampMs: number }): Message {
  const time = nanoseconds(line.timestampMs);
  return { kind, cameraId, sequence: 0, logTime: time, publishTime: time, data: json(line) };
}

/** foxglove.LogLevel. */
const LEVELS = { debug: 1, info: 2, warn: 3, error: 4 } as const;
type LogText = [level: keyof typeof LEVELS, text: string, name?: string];

/** What people want to read of an event; undefined: nothing. */
function logOf(event: BridgeEvent): LogText | undefined {
  const { cameraId } = event;
  switch (event.type) {
    case 'connected':
      return ['info', `connected on ${event.port}: firmware ${event.firmwareVersion}`];
    case 'disconnected':
      return ['error', `disconnected: ${event.message} [${event.code}]`];
    case 'error':
      return ['error', `${event.error.message} [${event.error.code}]`];
    case 'dropped':
      return ['warn', `frames dropped: ${event.count} (${event.reason})`];
    case 'recovered':
      return ['info', `${event.sink}: works again; frames that it lacks: ${event.lost}`];
    case 'stdout':
      return ['info', event.text.trimEnd(), `${cameraId}/script`];
    case 'pipeline':
      return ['warn', event.text, `${cameraId}/pipeline`];
    case 'runner':
      return ['info', `algorithm: ${event.state}`];
    case 'log':
      return [event.line.level, event.line.message, `${cameraId}/algorithm`];
    case 'skipped':
      return undefined;
  }
}
