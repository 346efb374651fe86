/** NG results with their frames, the last N: in memory, or in a folder, where they outlive the run. */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Mutex } from '../async.js';
import { asBridgeError } from '../errors.js';
import { fileFailure, makeFolder, writeWhole } from '../files.js';
import type { Frame } from '../frames/index.js';
import { parseJson } from '../json.js';
import type { Note } from './health.js';
import { type Judged, judgedSchema } from './judged.js';

/** Bytes of all frames of a camera that are kept. */
export const MEMORY_BYTES = 64 * 1024 * 1024;
export const FOLDER_BYTES = 1024 * 1024 * 1024;
/** Frames that wait to be written; a disk that is slower loses some, which are counted. */
const MOST_WAITING = 16;
const WHAT = 'NG frames cannot be kept';

interface Kept {
  readonly judged: Judged;
  readonly bytes: number;
  /** In memory; else in the file of that path, with `.jpg` and `.json` behind it. */
  readonly frame?: Frame;
  readonly path?: string;
}

export class KeptFrames {
  readonly #most: number;
  readonly #folder: string | undefined;
  readonly #mostBytes: number;
  readonly #prefix: string;
  readonly #cameraId: string;
  /** Oldest first. */
  readonly #kept = new Map<string, Kept>();
  readonly #turn = new Mutex();
  #bytes = 0;
  #waiting = 0;
  #lost = 0;
  #failure: Note | undefined;
  #ready: Promise<void> | undefined;

  /** `folder`: undefined for memory; `mostBytes` is for tests. */
  constructor(cameraId: string, most: number, folder?: string, mostBytes?: number) {
    this.#most = most;
    this.#folder = folder;
    this.#mostBytes = mostBytes ?? (folder === undefined ? MEMORY_BYTES : FOLDER_BYTES);
    this.#cameraId = cameraId;
    // An id may have any characters: a digest keeps those apart that look the same without them.
    const digest = createHash('sha256').update(cameraId).digest('hex').slice(0, 8);
    this.#prefix = `ng-${cameraId.replace(/[^\w-]/g, '_').slice(0, 64)}-${digest}-`;
    if (folder !== undefined)
      this.#ready = this.#turn.run(() => this.#read(folder)).catch((error) => this.#fail(error));
  }

  /** What is kept, oldest first; also of earlier runs in the folder. */
  get all(): readonly Judged[] {
    return [...this.#kept.values()].map(({ judged }) => judged);
  }

  /** Why frames cannot be kept now; undefined: they can. */
  get failure(): Note | undefined {
    return this.#failure;
  }

  /** NG frames that were not kept: the disk was too slow, or could not be written. */
  get lost(): number {
    return this.#lost;
  }

  has(key: string): boolean {
    return this.#kept.has(key);
  }

  /** Resolves when what was there before, and all that was added, is in place. */
  async settled(): Promise<void> {
    await this.#ready;
    await this.#turn.run(() => undefined);
  }

  add(judged: Judged, frame: Frame): void {
    if (this.#most === 0) return;
    const folder = this.#folder;
    if (folder === undefined) {
      this.#put({ judged, bytes: frame.bytes, frame });
      return;
    }
    if (this.#waiting >= MOST_WAITING) {
      this.#lost++;
      return;
    }
    this.#waiting++;
    const path = join(folder, `${this.#prefix}${String(Math.floor(judged.timestampMs))}-${judged.key}`);
    void this.#turn
      .run(async () => {
        // The folder may be what is missing.
        if (this.#failure) await makeFolder(WHAT, folder);
        await writeWhole(WHAT, `${path}.jpg`, frame.jpeg, frame.takenAtMs);
        await writeWhole(WHAT, `${path}.json`, Buffer.from(`${JSON.stringify(judged)}\n`));
        this.#failure = undefined;
        for (const gone of this.#put({ judged, bytes: frame.bytes, path })) await remove(gone);
      })
      .catch((error) => {
        this.#lost++;
        this.#fail(error);
      })
      .finally(() => this.#waiting--);
  }

  /** The JPEG of a result; undefined: it is not kept. FILE_FAILED. */
  async jpeg(key: string): Promise<Uint8Array | undefined> {
    const kept = this.#kept.get(key);
    if (!kept?.path) return kept?.frame?.jpeg;
    try {
      return await readFile(`${kept.path}.jpg`);
    } catch {
      // Somebody has removed it.
      this.#drop(key);
      return undefined;
    }
  }

  /** Adds one, and gives those that have to go. */
  #put(kept: Kept): Kept[] {
    this.#drop(kept.judged.key);
    this.#kept.set(kept.judged.key, kept);
    this.#bytes += kept.bytes;
    const gone: Kept[] = [];
    for (const [key, oldest] of this.#kept) {
      if (this.#kept.size <= this.#most && this.#bytes <= this.#mostBytes) break;
      this.#drop(key);
      gone.push(oldest);
    }
    return gone;
  }

  #drop(key: string): void {
    const kept = this.#kept.get(key);
    if (!kept) return;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }

  #fail(cause: unknown): void {
    const { code, message } = asBridgeError(cause, 'FILE_FAILED');
    this.#failure ??= { timeMs: Date.now(), code, message };
  }

  /** What earlier runs have left. Files of other programs are left alone. */
  async #read(folder: string): Promise<void> {
    await makeFolder(WHAT, folder);
    const all = await readdir(folder).catch(async (cause) => {
      throw await fileFailure(WHAT, folder, cause);
    });
    const names = all.filter((name) => name.startsWith(this.#prefix) && name.endsWith('.json'));
    const found: Kept[] = [];
    for (const name of names) {
      const path = join(folder, name.slice(0, -'.json'.length));
      const judged = await readJudged(`${path}.json`);
      const bytes = (await stat(`${path}.jpg`).catch(() => undefined))?.size;
      if (judged?.cameraId === this.#cameraId && bytes !== undefined) found.push({ judged, bytes, path });
    }
    found.sort((a, b) => a.judged.timestampMs - b.judged.timestampMs);
    for (const one of found) for (const gone of this.#put(one)) await remove(gone);
  }
}

async function readJudged(path: string): Promise<Judged | undefined> {
  try {
    return judgedSchema.parse(parseJson(await readFile(path, 'utf8')));
  } catch {
    return undefined;
  }
}

async function remove({ path }: Kept): Promise<void> {
  for (const end of ['.json', '.jpg']) await unlink(`${path}${end}`).catch(() => undefined);
}
