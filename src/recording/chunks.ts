/** The bytes of an MCAP file, piece by piece: https://mcap.dev/spec. No I/O: who writes them says what has arrived. */
import { McapChunkBuilder, McapRecordBuilder } from '@mcap/core';
import type { Message } from './messages.js';
import { type ChannelKind, messageEncoding, SCHEMAS, topicOf } from './schemas.js';
import { type ChannelRecord, type ChunkFacts, chunkFacts, type SchemaRecord, Summary } from './summary.js';

export class McapBytes {
  readonly summary = new Summary();
  readonly #records = new McapRecordBuilder();
  readonly #chunk = new McapChunkBuilder({ useMessageIndex: true });
  readonly #schemas = new Map<ChannelKind, SchemaRecord>();
  readonly #channels = new Map<string, ChannelRecord>();
  /** What the chunk under way declares. */
  #declared: (SchemaRecord | ChannelRecord)[] = [];

  /** Bytes of messages in the chunk under way. */
  get size(): number {
    return this.#chunk.byteLength;
  }

  /** How the file begins: who wrote it. */
  begin(library: string, metadata: ReadonlyMap<string, string>): Uint8Array {
    this.#records.writeMagic();
    this.#records.writeHeader({ profile: '', library });
    const offset = this.#records.length;
    const name = 'openmv-bridge';
    const length = Number(this.#records.writeMetadata({ name, metadata: new Map(metadata) }));
    this.summary.metadata({ name, offset: BigInt(offset), length: BigInt(length) });
    return this.#take();
  }

  add({ kind, cameraId, logTime, publishTime, sequence, data }: Message): void {
    const channelId = this.#channel(kind, cameraId);
    this.#chunk.addMessage({ channelId, sequence, logTime, publishTime, data });
  }

  /**
   * Ends the chunk under way, to be written at `offset`; undefined: it is empty. Once it is in the file, `facts` go to
   * the summary.
   */
  take(offset: number): { readonly bytes: Uint8Array; readonly facts: ChunkFacts } | undefined {
    if (this.#chunk.numMessages === 0) return undefined;
    const { messageStartTime, messageEndTime } = this.#chunk;
    const indexes = [...this.#chunk.indices];
    const made = chunkFacts(this.#records, offset, {
      chunk: { messageStartTime, messageEndTime, records: this.#chunk.buffer },
      indexes,
      declared: this.#declared,
    });
    this.#declared = [];
    this.#chunk.reset();
    return { bytes: this.#take(), facts: made };
  }

  /** How the file ends, at `offset`: with what is in it. */
  end(offset: number): Uint8Array {
    return this.summary.bytes(offset);
  }

  #channel(kind: ChannelKind, cameraId: string): number {
    const topic = topicOf(kind, cameraId);
    const known = this.#channels.get(topic);
    if (known) return known.id;
    const schema = this.#schema(kind);
    const channel: ChannelRecord = {
      type: 'Channel',
      id: this.#channels.size + 1,
      schemaId: schema.id,
      topic,
      messageEncoding: messageEncoding(SCHEMAS[kind]),
      metadata: new Map(kind === 'log' ? [] : [['cameraId', cameraId]]),
    };
    this.#channels.set(topic, channel);
    this.#declared.push(channel);
    this.#chunk.addChannel(channel);
    return channel.id;
  }

  #schema(kind: ChannelKind): SchemaRecord {
    const known = this.#schemas.get(kind);
    if (known) return known;
    const { name, encoding, data } = SCHEMAS[kind];
    const schema: SchemaRecord = { type: 'Schema', id: this.#schemas.size + 1, name, encoding, data };
    this.#schemas.set(kind, schema);
    this.#declared.push(schema);
    this.#chunk.addSchema(schema);
    return schema;
  }

  #take(): Uint8Array {
    const bytes = this.#records.buffer;
    this.#records.reset();
    return bytes;
  }
}
