/** Messages of an MCAP recording (https://mcap.dev/spec), in the order in which they were written, also of one that was cut off. */
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { BridgeError } from '../errors.js';
import { unreadable } from './wire-lines.js';

export interface RecordedMessage {
  /** Such as `/ID/frame`. */
  readonly topic: string;
  /** The last part of the topic: frame, wire, event, result ... */
  readonly kind: string;
  readonly cameraId: string;
  /** Unix milliseconds at which it was there, and of what it tells. */
  readonly logMs: number;
  readonly publishMs: number;
  /** Of the frame that it is about; 0: none. */
  readonly sequence: number;
  readonly data: Uint8Array;
}

/** A record of a recording is a chunk, of some frames at most: one that is larger is damaged, and would be read into memory. */
const LARGEST_RECORD = 2 ** 27;
const MAGIC = Buffer.from('894d434150300d0a', 'hex');
const NS_PER_US = 1_000n;
const US_PER_MS = 1_000;
const unixMs = (ns: bigint): number => Number(ns / NS_PER_US) / US_PER_MS;

/** Whether a file begins like such a recording. FILE_FAILED. */
export async function isMcap(path: string): Promise<boolean> {
  const file = createReadStream(path, { end: MAGIC.length - 1 });
  try {
    const parts: Buffer[] = [];
    for await (const part of file) parts.push(part as Buffer);
    return Buffer.concat(parts).equals(MAGIC);
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** Its messages, those of `kinds` only. FILE_FAILED: it cannot be read; OPTION_INVALID: it is damaged. */
export async function* readMcap(
  path: string,
  kinds: ReadonlySet<string>,
  progress?: (part: number) => void,
): AsyncGenerator<RecordedMessage> {
  const { McapStreamReader } = await import('@mcap/core');
  const reader = new McapStreamReader();
  const topics = new Map<number, string>();
  const file = createReadStream(path, { highWaterMark: 2 ** 20 });
  try {
    const { size } = await stat(path);
    for await (const piece of file) {
      progress?.(Math.min(1, file.bytesRead / size));
      reader.append(piece as Buffer);
      if (reader.bytesRemaining() > LARGEST_RECORD) throw new Error('it has a record of more than 128 MiB');
      for (let record = reader.nextRecord(); record; record = reader.nextRecord()) {
        if (record.type === 'Channel') topics.set(record.id, record.topic);
        if (record.type !== 'Message') continue;
        const topic = topics.get(record.channelId) ?? '';
        const [cameraId = '', kind = ''] = topic.split('/').slice(1);
        if (!kinds.has(kind)) continue;
        const { logTime, publishTime, sequence } = record;
        // The reader uses its memory again.
        const data = record.data.slice();
        yield {
          topic,
          kind,
          cameraId,
          logMs: unixMs(logTime),
          publishMs: unixMs(publishTime),
          sequence,
          data,
        };
      }
    }
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== undefined) throw unreadable(path, cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new BridgeError(
      'OPTION_INVALID',
      `The recording ${path} is damaged: ${reason}. \`recover\` keeps what comes before that.`,
      { context: { path }, cause },
    );
  } finally {
    file.destroy();
  }
}

/**
 * The topics that a recording has: out of its summary, or, where it was cut off before that, out of all that was written.
 * FILE_FAILED: it cannot be read; OPTION_INVALID: it is damaged.
 */
export async function topicsOf(path: string): Promise<string[]> {
  const { McapIndexedReader } = await import('@mcap/core');
  const handle = await open(path).catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  try {
    const readable = {
      size: async () => BigInt((await handle.stat()).size),
      read: async (offset: bigint, size: bigint) => {
        if (size > LARGEST_RECORD) throw new Error('its summary is damaged');
        const bytes = new Uint8Array(Number(size));
        await handle.read(bytes, 0, bytes.length, Number(offset));
        return bytes;
      },
    };
    const { channelsById } = await McapIndexedReader.Initialize({ readable });
    return [...channelsById.values()].map(({ topic }) => topic);
  } catch {
    // Without a summary.
  } finally {
    await handle.close();
  }
  const topics = new Set<string>();
  for await (const { topic } of readMcap(path, new Set(['frame', 'wire']))) topics.add(topic);
  return [...topics];
}

/** The JSON line in a message of an event or a result; empty: other programs have something else by that name. */
export function lineIn({ data }: RecordedMessage): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(Buffer.from(data).toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** Fields of a protobuf message: numbers of varints, bytes of what has a length; the last of each number. */
export function protobufFields(data: Uint8Array): {
  numbers: Map<number, number>;
  bytes: Map<number, Uint8Array>;
} {
  const numbers = new Map<number, number>();
  const bytes = new Map<number, Uint8Array>();
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; at < data.length; factor *= 128) {
      const byte = data[at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) break;
    }
    return value;
  };
  while (at < data.length) {
    const key = varint();
    const field = Math.floor(key / 8);
    if (key % 8 === 0) numbers.set(field, varint());
    else if (key % 8 === 2) {
      const length = varint();
      bytes.set(field, data.subarray(at, at + length));
      at += length;
    } else at += key % 8 === 1 ? 8 : 4;
  }
  return { numbers, bytes };
}
