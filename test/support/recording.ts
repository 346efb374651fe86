/** Reads recordings with readers that the writer does not use: MCAP's own, and protobufjs for what a schema says of itself. */
import { readFileSync } from 'node:fs';
import { McapIndexedReader, McapStreamReader, type McapTypes } from '@mcap/core';
import { crc32 } from 'crc';
import protobuf from 'protobufjs';
import 'protobufjs/ext/descriptor.js';

export interface ReadMessage {
  readonly topic: string;
  readonly sequence: number;
  readonly logTime: bigint;
  readonly publishTime: bigint;
  readonly schema: string;
  // biome-ignore lint/suspicious/noExplicitAny: the forms are what the tests are about
  readonly value: any;
}

type Channel = McapTypes.TypedMcapRecords['Channel'];
type Schema = McapTypes.TypedMcapRecords['Schema'];

const decoders = new Map<string, protobuf.Type>();

/** A message, by what its channel and schema say of it. */
export function decode(
  { messageEncoding }: Pick<Channel, 'messageEncoding'>,
  schema: Pick<Schema, 'name' | 'data'>,
  data: Uint8Array,
  // biome-ignore lint/suspicious/noExplicitAny: the forms are what the tests are about
): any {
  if (messageEncoding === 'json') return JSON.parse(Buffer.from(data).toString());
  const key = Buffer.from(schema.data).toString('base64');
  let type = decoders.get(key);
  if (!type) {
    const { FileDescriptorSet } = (
      protobuf as unknown as { descriptor: { FileDescriptorSet: protobuf.Type } }
    ).descriptor;
    const { Root } = protobuf as unknown as {
      Root: { fromDescriptor(set: protobuf.Message): protobuf.Root };
    };
    type = Root.fromDescriptor(FileDescriptorSet.decode(schema.data)).lookupType(schema.name);
    decoders.set(key, type);
  }
  return type.toObject(type.decode(data), { longs: Number, defaults: true });
}

/** By the index at the end of a whole file, in the order of their times. */
export async function readWhole(path: string): Promise<ReadMessage[]> {
  const bytes = readFileSync(path);
  const reader = await McapIndexedReader.Initialize({
    readable: {
      size: async () => BigInt(bytes.length),
      read: async (offset, size) => bytes.subarray(Number(offset), Number(offset + size)),
    },
  });
  const messages: ReadMessage[] = [];
  for await (const message of reader.readMessages({ validateCrcs: true })) {
    const channel = reader.channelsById.get(message.channelId)!;
    const schema = reader.schemasById.get(channel.schemaId)!;
    messages.push(readable(channel, schema, message));
  }
  if (reader.statistics?.messageCount !== BigInt(messages.length)) {
    throw new Error(
      `The statistics count ${reader.statistics?.messageCount} messages, not ${messages.length}`,
    );
  }
  return messages;
}

/** From the beginning on, as far as the file goes; `whole`: whether it has its end. */
export function readUpTo(path: string): { readonly messages: ReadMessage[]; readonly whole: boolean } {
  const reader = new McapStreamReader({ validateCrcs: true });
  reader.append(readFileSync(path));
  const channels = new Map<number, Channel>();
  const schemas = new Map<number, Schema>();
  const messages: ReadMessage[] = [];
  for (let record = reader.nextRecord(); record; record = reader.nextRecord()) {
    if (record.type === 'Schema') schemas.set(record.id, record);
    if (record.type === 'Channel') channels.set(record.id, record);
    if (record.type !== 'Message') continue;
    const channel = channels.get(record.channelId)!;
    messages.push(readable(channel, schemas.get(channel.schemaId)!, record));
  }
  return { messages, whole: reader.done() };
}

function readable(channel: Channel, schema: Schema, message: McapTypes.Message): ReadMessage {
  const { sequence, logTime, publishTime, data } = message;
  const value = decode(channel, schema, data);
  return { topic: channel.topic, schema: schema.name, sequence, logTime, publishTime, value };
}

/** Those of one kind of channel, such as `frame`. */
export const ofKind = (messages: readonly ReadMessage[], kind: string): ReadMessage[] =>
  messages.filter(({ topic }) => topic.endsWith(`/${kind}`));

/** What to compare of many messages: their bytes as a checksum. */
export const inShort = (messages: readonly ReadMessage[]): unknown[] =>
  messages.map(({ topic, sequence, logTime, value }) => {
    const data: unknown = value.data;
    return [topic, sequence, logTime, data instanceof Uint8Array ? crc32(Buffer.from(data)) : value];
  });
