/** Finishes a recording whose program was killed: what is whole stays, and gets the end that readers with an index want. */
import { createReadStream, createWriteStream } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import {
  McapChunkBuilder,
  McapConstants,
  McapRecordBuilder,
  McapStreamReader,
  type McapTypes,
} from '@mcap/core';
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';
import { fileFailure, readProblem } from '../files.js';
import { type ChannelRecord, chunkFacts, type SchemaRecord, Summary } from './summary.js';

const { MCAP_MAGIC, Opcode } = McapConstants;
/** Of each record: its opcode and its length. */
const RECORD_HEAD = 9;
/** A recording that is under way changes within this time. */
const ALIVE_MS = 3_000;
const WHAT = 'The recording cannot be finished';

export interface Recovered {
  /** It was whole: nothing was changed. */
  readonly whole: boolean;
  readonly messages: number;
  /** Messages by topic. */
  readonly topics: ReadonlyMap<string, number>;
  /** Bytes of an unfinished piece at its end that were cut off. */
  readonly cut: number;
  /** Where they are, when they are more than an unfinished piece: what is damaged may have something whole behind it. */
  readonly rest?: string;
}

/** Finishes it in its place. FILE_FAILED: it is no recording of this program, is still being written, or cannot be changed. */
export async function recoverFile(path: string, signal?: AbortSignal): Promise<Recovered> {
  let handle: FileHandle | undefined;
  try {
    await checkResting(path, signal);
    handle = await open(path, 'r+').catch((cause: unknown) => {
      throw new BridgeError('FILE_FAILED', `${WHAT}: ${path}: ${readProblem(cause)}.`, { cause });
    });
    const scan = await Scan.of(handle, path, signal);
    const { summary, length, size } = scan;
    const report = { messages: summary.messages, topics: summary.topics };
    if (scan.whole) return { whole: true, ...report, cut: 0 };
    const cut = Math.max(0, size - length);
    const rest = scan.damaged ? `${path}.rest` : undefined;
    if (rest !== undefined)
      await pipeline(createReadStream(path, { start: length }), createWriteStream(rest));
    await handle.truncate(length);
    await writeAt(handle, summary.bytes(length), length);
    return { whole: false, ...report, cut, ...(rest === undefined ? {} : { rest }) };
  } catch (cause) {
    if (signal?.aborted) throw signal.reason;
    throw await fileFailure(WHAT, path, cause);
  } finally {
    await handle?.close();
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
  }
}

async function checkResting(path: string, signal: AbortSignal | undefined): Promise<void> {
  const before = await stat(path).catch(() => undefined);
  if (!before || Date.now() - before.mtimeMs > ALIVE_MS) return;
  await pause(ALIVE_MS, signal);
  if ((await stat(path)).mtimeMs === before.mtimeMs) return;
  throw new BridgeError('FILE_FAILED', `${WHAT}: ${path} is still being written. Stop that program first.`, {
    context: { path },
  });
}

/** Reads a file from its beginning as far as it is whole. */
class Scan {
  readonly summary = new Summary();
  readonly size: number;
  readonly #handle: FileHandle;
  readonly #records = new McapStreamReader({ noMagicPrefix: true, includeChunks: true, validateCrcs: true });
  /** Up to here the file is whole. */
  length = 0;
  /** It has its end. */
  whole = false;
  /** What follows is no piece that merely lacks its end. */
  damaged = false;

  private constructor(handle: FileHandle, size: number) {
    this.#handle = handle;
    this.size = size;
  }

  static async of(handle: FileHandle, path: string, signal: AbortSignal | undefined): Promise<Scan> {
    const scan = new Scan(handle, (await handle.stat()).size);
    const magic = await scan.#read(0, MCAP_MAGIC.length);
    if (!magic || MCAP_MAGIC.some((byte, index) => magic[index] !== byte)) throw foreign(path);
    scan.length = MCAP_MAGIC.length;
    const head = await scan.#record(scan.length);
    const [header] = head?.parsed ?? [];
    if (!head || header?.type !== 'Header' || !header.library.startsWith('openmv-bridge/'))
      throw foreign(path);
    scan.length += head.bytes;
    while (await scan.#next()) signal?.throwIfAborted();
    return scan;
  }

  /** Takes the next piece; false: there is none that is whole. */
  async #next(): Promise<boolean> {
    const record = await this.#record(this.length);
    if (!record) return false;
    const { opcode, parsed, bytes } = record;
    const [first] = parsed;
    if (first?.type === 'DataEnd') {
      this.whole = await this.#ends(this.length + bytes);
      return false;
    }
    if (first?.type === 'Metadata') {
      const { name } = first;
      this.summary.metadata({ name, offset: BigInt(this.length), length: BigInt(bytes) });
    }
    if (opcode === Opcode.CHUNK) return this.#chunk(parsed);
    this.length += bytes;
    return true;
  }

  /** A chunk with the index of its messages, which is written again where it is not whole. */
  async #chunk(parsed: readonly McapTypes.TypedMcapRecord[]): Promise<boolean> {
    const chunk = new McapChunkBuilder({ useMessageIndex: true });
    const declared: (SchemaRecord | ChannelRecord)[] = [];
    for (const record of parsed) {
      if (record.type === 'Schema') chunk.addSchema(record);
      else if (record.type === 'Channel') chunk.addChannel(record);
      else if (record.type === 'Message') chunk.addMessage(record);
      if (record.type === 'Schema' || record.type === 'Channel') declared.push(record);
    }
    const { messageStartTime, messageEndTime, buffer: records } = chunk;
    const content = {
      chunk: { messageStartTime, messageEndTime, records },
      indexes: [...chunk.indices],
      declared,
    };
    const builder = new McapRecordBuilder();
    const facts = chunkFacts(builder, this.length, content);
    const bytes = builder.buffer;
    const there = await this.#read(this.length, bytes.length);
    if (!there || Buffer.compare(there, bytes) !== 0) await writeAt(this.#handle, bytes, this.length);
    this.summary.add(facts);
    this.length += bytes.length;
    return true;
  }

  /** Whether nothing but whole records follows, up to the footer and the magic at the end. */
  async #ends(from: number): Promise<boolean> {
    for (let at = from; ; ) {
      const record = await this.#record(at);
      if (!record) return false;
      at += record.bytes;
      if (record.opcode === Opcode.FOOTER) return at + MCAP_MAGIC.length === this.size;
    }
  }

  /** The record at an offset, and those in it where it is a chunk; undefined: it is not whole. */
  async #record(
    offset: number,
  ): Promise<{ opcode: number; parsed: McapTypes.TypedMcapRecord[]; bytes: number } | undefined> {
    const head = await this.#read(offset, RECORD_HEAD);
    if (!head) return undefined;
    const bytes = RECORD_HEAD + Number(head.readBigUInt64LE(1));
    const whole = await this.#read(offset, bytes);
    if (!whole) return undefined;
    const parsed: McapTypes.TypedMcapRecord[] = [];
    try {
      this.#records.append(whole);
      for (let record = this.#records.nextRecord(); record; record = this.#records.nextRecord()) {
        parsed.push(record);
      }
    } catch {
      // Its checksum is wrong, or it is no record.
      this.damaged = true;
      return undefined;
    }
    return { opcode: head[0]!, parsed, bytes };
  }

  async #read(offset: number, length: number): Promise<Buffer | undefined> {
    if (offset + length > this.size) return undefined;
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await this.#handle.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) return undefined;
      done += bytesRead;
    }
    return bytes;
  }
}

const foreign = (path: string): BridgeError =>
  new BridgeError('FILE_FAILED', `${WHAT}: ${path} is no recording of openmv-bridge.`, { context: { path } });
