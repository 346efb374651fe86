/** A recording on the disk: a file that grows by whole pieces, and gets its end when it is closed. */
import { constants } from 'node:fs';
import { type FileHandle, open, rename, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { fileFailure } from '../files.js';
import { packageVersion } from '../package.js';
import { McapBytes } from './chunks.js';
import type { Message } from './messages.js';

export const CANNOT_RECORD = 'The recording cannot be written';

export class RecordingFile {
  readonly path: string;
  readonly openedAtMs = Date.now();
  readonly #handle: FileHandle;
  readonly #mcap = new McapBytes();
  /** Up to here the file is whole. */
  #length = 0;
  /** Somebody has removed it: what is written has no name any more. As of the last chunk. */
  removed = false;
  /** How the file begins; undefined: that is written. */
  #head: Uint8Array | undefined;

  private constructor(path: string, handle: FileHandle, metadata: ReadonlyMap<string, string>) {
    this.path = path;
    this.#handle = handle;
    this.#head = this.#mcap.begin(`openmv-bridge/${packageVersion()}`, metadata);
  }

  /** Begins a file; `metadata` tells of the run. FILE_FAILED. */
  static async open(path: string, metadata: ReadonlyMap<string, string>): Promise<RecordingFile> {
    try {
      const handle = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC, 0o666);
      return new RecordingFile(path, handle, metadata);
    } catch (cause) {
      throw await fileFailure(CANNOT_RECORD, path, cause);
    }
  }

  /** Bytes in the file, and in the chunk under way. */
  get size(): number {
    return this.#length + this.#mcap.size;
  }

  /** It has no messages yet. */
  get empty(): boolean {
    return this.messages === 0 && this.pending === 0;
  }

  /** Bytes in the chunk under way. */
  get pending(): number {
    return this.#mcap.size;
  }

  /** Messages in the file. */
  get messages(): number {
    return this.#mcap.summary.messages;
  }

  add(message: Message): void {
    this.#mcap.add(message);
  }

  /** Writes the chunk under way. Rejects as the file system does; then the file takes no more. */
  async flush(): Promise<void> {
    if (this.#head) await this.#append(this.#head);
    this.#head = undefined;
    const chunk = this.#mcap.take(this.#length);
    if (!chunk) return;
    await this.#append(chunk.bytes);
    this.#mcap.summary.add(chunk.facts);
    this.removed = (await this.#handle.stat()).nlink === 0;
  }

  /** Writes the rest and the file's end, and closes it. Rejects as the file system does; it is closed then too. */
  async finish(): Promise<void> {
    try {
      await this.flush();
      await this.#append(this.#mcap.end(this.#length));
    } finally {
      await this.#handle.close();
    }
  }

  /** After a piece did not fit: takes the part of it that was written away, and ends the file if there is room for that. */
  async giveUp(): Promise<void> {
    try {
      await this.#handle.truncate(this.#length);
      if (this.#head) return;
      await this.#append(this.#mcap.end(this.#length), this.#length);
    } catch {
      // It can be read, and finished later, all the same.
      await this.#handle.truncate(this.#length).catch(() => undefined);
    } finally {
      await this.#handle.close().catch(() => undefined);
    }
  }

  async #append(bytes: Uint8Array, position: number | null = null): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const at = position === null ? null : position + done;
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, at);
      done += bytesWritten;
    }
    this.#length += bytes.length;
  }
}

/** Makes way for a recording: an earlier one of that name gets the time of its last change into its name, which is given back. */
export async function moveEarlier(path: string): Promise<string | undefined> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile() || found.size === 0) return undefined;
  const time = found.mtime.toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
  const extension = extname(path);
  const stem = path.slice(0, path.length - extension.length);
  for (let number = 1; ; number++) {
    const earlier = `${stem}-${time}${number === 1 ? '' : `-${number}`}${extension}`;
    if (await stat(earlier).catch(() => undefined)) continue;
    try {
      await rename(path, earlier);
    } catch (cause) {
      throw await fileFailure(CANNOT_RECORD, path, cause);
    }
    return earlier;
  }
}
