/** The end of an MCAP file: schemas, channels, statistics, and where each chunk is. */
import { McapConstants, McapRecordBuilder, type McapTypes } from '@mcap/core';
import { crc32 } from 'crc';
import { join } from './protobuf.js';

export type SchemaRecord = McapTypes.TypedMcapRecords['Schema'];
export type ChannelRecord = McapTypes.TypedMcapRecords['Channel'];

/** What the summary has to know of a chunk in the file. */
export interface ChunkFacts {
  readonly messageStartTime: bigint;
  readonly messageEndTime: bigint;
  /** Messages by channel. */
  readonly counts: ReadonlyMap<number, number>;
  readonly index: McapTypes.ChunkIndex;
  readonly declared: readonly (SchemaRecord | ChannelRecord)[];
}

export interface ChunkContent {
  readonly chunk: Pick<McapTypes.Chunk, 'messageStartTime' | 'messageEndTime' | 'records'>;
  readonly indexes: readonly McapTypes.MessageIndex[];
  readonly declared: ChunkFacts['declared'];
}

/** Writes a chunk and the index of its messages, for `offset` in the file. */
export function chunkFacts(
  records: McapRecordBuilder,
  offset: number,
  { chunk, indexes, declared }: ChunkContent,
): ChunkFacts {
  const size = BigInt(chunk.records.length);
  const begin = records.length;
  const chunkLength = records.writeChunk({
    ...chunk,
    uncompressedSize: size,
    uncompressedCrc: crcOf(chunk.records),
    compression: '',
  });
  const start = offset - begin;
  const messageIndexOffsets = new Map<number, bigint>();
  let messageIndexLength = 0n;
  for (const index of indexes) {
    messageIndexOffsets.set(index.channelId, BigInt(start + records.length));
    messageIndexLength += records.writeMessageIndex(index);
  }
  const { messageStartTime, messageEndTime } = chunk;
  const index: McapTypes.ChunkIndex = {
    ...{ messageStartTime, messageEndTime, chunkStartOffset: BigInt(offset), chunkLength },
    ...{
      messageIndexOffsets,
      messageIndexLength,
      compression: '',
      compressedSize: size,
      uncompressedSize: size,
    },
  };
  const counts = new Map(indexes.map(({ channelId, records: all }) => [channelId, all.length]));
  return { messageStartTime, messageEndTime, counts, index, declared };
}

const crcOf = (bytes: Uint8Array): number =>
  crc32(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)) >>> 0;

export class Summary {
  readonly #schemas = new Map<number, SchemaRecord>();
  readonly #channels = new Map<number, ChannelRecord>();
  readonly #counts = new Map<number, bigint>();
  /** Records of the chunk index, as bytes: a recording of days has many. */
  readonly #chunks = new McapRecordBuilder();
  readonly #metadata: McapTypes.MetadataIndex[] = [];
  #chunkCount = 0;
  #start: bigint | undefined;
  #end = 0n;

  get messages(): number {
    return Number([...this.#counts.values()].reduce((sum, count) => sum + count, 0n));
  }

  /** Messages by topic. */
  get topics(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#channels.values()].map(({ id, topic }) => [topic, Number(this.#counts.get(id) ?? 0n)]),
    );
  }

  metadata(index: McapTypes.MetadataIndex): void {
    this.#metadata.push(index);
  }

  /** A chunk is in the file. */
  add({ messageStartTime, messageEndTime, counts, index, declared }: ChunkFacts): void {
    this.#chunkCount++;
    this.#chunks.writeChunkIndex(index);
    if (this.#start === undefined || messageStartTime < this.#start) this.#start = messageStartTime;
    if (messageEndTime > this.#end) this.#end = messageEndTime;
    for (const [id, count] of counts) this.#counts.set(id, (this.#counts.get(id) ?? 0n) + BigInt(count));
    for (const one of declared) {
      if (one.type === 'Schema') this.#schemas.set(one.id, one);
      else this.#channels.set(one.id, one);
    }
  }

  /** The end of a file whose data end at `offset`. */
  bytes(offset: number): Uint8Array {
    const records = new McapRecordBuilder();
    const offsets: McapTypes.SummaryOffset[] = [];
    records.writeDataEnd({ dataSectionCrc: 0 });
    const dataEnd = records.length;
    const { Opcode } = McapConstants;
    const group = (groupOpcode: number, write: () => void): void => {
      const start = records.length;
      write();
      const groupLength = BigInt(records.length - start);
      if (groupLength > 0n) offsets.push({ groupOpcode, groupStart: BigInt(offset + start), groupLength });
    };
    group(Opcode.SCHEMA, () => {
      for (const one of this.#schemas.values()) records.writeSchema(one);
    });
    group(Opcode.CHANNEL, () => {
      for (const one of this.#channels.values()) records.writeChannel(one);
    });
    group(Opcode.STATISTICS, () => records.writeStatistics(this.#statistics));
    group(Opcode.METADATA_INDEX, () => {
      for (const one of this.#metadata) records.writeMetadataIndex(one);
    });
    const before = records.buffer;
    const chunks = this.#chunks.buffer;
    const chunkStart = offset + before.length;
    if (chunks.length > 0) {
      offsets.push({
        groupOpcode: Opcode.CHUNK_INDEX,
        groupStart: BigInt(chunkStart),
        groupLength: BigInt(chunks.length),
      });
    }
    records.reset();
    for (const one of offsets) records.writeSummaryOffset(one);
    const footer = {
      summaryStart: BigInt(offset + dataEnd),
      summaryOffsetStart: BigInt(chunkStart + chunks.length),
    };
    records.writeFooter({ ...footer, summaryCrc: 0 });
    // The checksum is over the summary and the footer up to the checksum itself, its last four bytes.
    const after = records.buffer.subarray(0, -4);
    const summaryCrc = crcOf(join([before.subarray(dataEnd), chunks, after]));
    records.reset();
    for (const one of offsets) records.writeSummaryOffset(one);
    records.writeFooter({ ...footer, summaryCrc });
    records.writeMagic();
    return join([before, chunks, records.buffer]);
  }

  get #statistics(): McapTypes.Statistics {
    return {
      messageCount: BigInt(this.messages),
      schemaCount: this.#schemas.size,
      channelCount: this.#channels.size,
      attachmentCount: 0,
      metadataCount: this.#metadata.length,
      chunkCount: this.#chunkCount,
      messageStartTime: this.#start ?? 0n,
      messageEndTime: this.#end,
      channelMessageCounts: this.#counts,
    };
  }
}
