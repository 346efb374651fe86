/** One recording: a bounded queue of messages, and the one who writes them, so that no disk keeps a camera waiting. */
import { Signal, within } from '../async.js';
import { BridgeError } from '../errors.js';
import { fileFailure } from '../files.js';
import type { Message } from './messages.js';
import type { RecordingFile } from './recording-file.js';
import type { RecordingTarget } from './target.js';

/** Half of the second within which messages reach the file: the other half is for a busy machine. */
const FLUSH_MS = 500;
const CHUNK_BYTES = 2 ** 20;
/** Messages that wait for the disk. */
const MAX_QUEUED = 64 * 2 ** 20;
/** What is no frame is small, and may go beyond it. */
const SPARE_QUEUED = 8 * 2 ** 20;
/** After it was full, it takes frames again when so much has been written: a loss is one loss, not one for every frame. */
const ROOM_AGAIN = MAX_QUEUED / 2;
/** For a disk that does not answer when the recording ends. */
const FINISH_MS = 5_000;

export class Recording {
  readonly #target: RecordingTarget;
  readonly #wake = new Signal();
  /** Resolves when it has ended: to the reason, where that was the disk. */
  readonly failed: Promise<BridgeError | undefined>;
  #file: RecordingFile;
  #queue: Message[] = [];
  #queued = 0;
  #full = false;
  #closing = false;
  #over = false;
  /** Nothing of it is under way any more. */
  ended = false;

  private constructor(target: RecordingTarget, file: RecordingFile) {
    this.#target = target;
    this.#file = file;
    this.failed = this.#run().finally(() => {
      this.ended = true;
    });
  }

  /** Begins its first file; FILE_FAILED. */
  static async open(target: RecordingTarget): Promise<Recording> {
    return new Recording(target, await target.open());
  }

  /** The file that is written now. */
  get path(): string {
    return this.#file.path;
  }

  /** Bytes of that file, and of its chunk under way. */
  get size(): number {
    return this.#file.size;
  }

  /** It takes no more: it was closed, or has failed. */
  get over(): boolean {
    return this.#over || this.#closing;
  }

  /** Takes messages that belong together; false: the disk is too slow, and they are lost. */
  push(...messages: readonly Message[]): boolean {
    if (this.over) return false;
    const bytes = messages.reduce((sum, { data }) => sum + data.length, 0);
    const frames = messages.some(({ kind }) => kind === 'frame' || kind === 'wire');
    if (this.#queued + bytes > MAX_QUEUED) this.#full = true;
    if (this.#full ? frames : this.#queued + bytes > MAX_QUEUED + SPARE_QUEUED) return false;
    this.#queue.push(...messages);
    this.#queued += bytes;
    if (this.#queued >= CHUNK_BYTES) this.#wake.set();
    return true;
  }

  /** Writes what waits, and ends the file. FILE_FAILED: the disk does not answer. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#wake.set();
    await within(
      this.failed,
      FINISH_MS,
      () =>
        new BridgeError(
          'FILE_FAILED',
          `The recording ${this.#file.path} could not be finished: the disk did not answer within ${FINISH_MS / 1_000} s. It can be read up to there, and \`recover\` finishes it.`,
          { context: { path: this.#file.path } },
        ),
    );
  }

  async #run(): Promise<BridgeError | undefined> {
    try {
      while (!this.#closing) {
        await this.#wake.wait(FLUSH_MS);
        await this.#write();
      }
      await this.#write();
      await this.#file.finish();
      return undefined;
    } catch (cause) {
      this.#over = true;
      this.#queue = [];
      await this.#file.giveUp();
      return fileFailure('The recording has ended: nothing can be written', this.path, cause);
    }
  }

  async #write(): Promise<void> {
    const messages = this.#queue;
    this.#queue = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      await this.#file.flush();
      this.#queued -= bytes;
      bytes = 0;
      if (this.#queued < ROOM_AGAIN) this.#full = false;
    };
    for (const message of messages) {
      if (this.#target.full(this.#file)) {
        await flush();
        await this.#file.finish();
        this.#file = await this.#target.open();
      }
      this.#file.add(message);
      bytes += message.data.length;
      if (this.#file.pending >= CHUNK_BYTES) await flush();
    }
    await flush();
  }
}
