/** Keeps the saved files of a folder within limits: the oldest are removed first, also those of earlier runs. */
import { lstat, readdir, rmdir, statfs, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Mutex } from '../async.js';
import { BridgeError } from '../errors.js';

export interface RetentionLimits {
  /** Bytes of all saved files together. */
  readonly maxBytes?: number | undefined;
  /** Milliseconds since a file was written. */
  readonly maxAgeMs?: number | undefined;
  /** Bytes that stay free on the disk. */
  readonly minFree?: number | undefined;
}

interface SavedFile {
  readonly path: string;
  readonly size: number;
  readonly writtenMs: number;
}

/** Files of earlier runs are in folders of this name. */
export const EARLIER = /^earlier-\d{8}-\d{6}(-\d+)?$/;
/** Files whose age is known at a time; when they are gone the folder is read again. */
const KNOWN_FILES = 10_000;
const LOOKED_AT_ONCE = 256;
/** How often files may become too old while none is saved. */
const AGE_CHECK_MS = 60_000;

/** The folders that this process saves to: cameras that share one share its limits. */
const folders = new Map<string, Retention>();

export class Retention {
  readonly #folder: string;
  readonly #limits: RetentionLimits;
  readonly #cameraIds = new Set<string>();
  readonly #turn = new Mutex();
  /** The oldest files, oldest first. */
  #oldest: SavedFile[] = [];
  /** There are files besides those. */
  #more = true;
  /** Bytes of all files. */
  #total = 0;
  #users = 0;
  #timer: NodeJS.Timeout | undefined;

  private constructor(folder: string, limits: RetentionLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  /** For the files that a camera saves to a folder; undefined: there is no limit. */
  static open(folder: string, cameraId: string, limits: RetentionLimits): Retention | undefined {
    const { maxBytes, maxAgeMs, minFree } = limits;
    if (maxBytes === undefined && maxAgeMs === undefined && minFree === undefined) return undefined;
    const key = JSON.stringify([resolve(folder), maxBytes, maxAgeMs, minFree]);
    const retention = folders.get(key) ?? new Retention(resolve(folder), limits);
    folders.set(key, retention);
    retention.#users++;
    retention.#cameraIds.add(cameraId);
    retention.#forget();
    if (maxAgeMs !== undefined) {
      const every = Math.min(maxAgeMs, AGE_CHECK_MS);
      // What cannot be removed now is tried again with the next frame, which says so.
      const check = (): unknown => retention.#turn.run(() => retention.#makeRoom(0)).catch(() => undefined);
      retention.#timer ??= setInterval(check, every).unref();
    }
    return retention;
  }

  /** Ends one user's interest. */
  close(): void {
    if (--this.#users > 0) return;
    clearInterval(this.#timer);
    for (const [key, retention] of folders) if (retention === this) folders.delete(key);
  }

  /** Removes files until one of `size` bytes may be written, and writes it. FILE_FAILED: nothing is left to remove. */
  write(path: string, size: number, write: () => Promise<void>): Promise<void> {
    return this.#turn.run(async () => {
      await this.#makeRoom(size);
      await write();
      this.#total += size;
      if (this.#more || this.#oldest.length >= KNOWN_FILES) this.#more = true;
      else this.#oldest.push({ path, size, writtenMs: Date.now() });
    });
  }

  async #makeRoom(size: number): Promise<void> {
    for (let reason = await this.#reason(size); reason; reason = await this.#reason(size)) {
      const file = this.#oldest[0];
      if (!file) {
        const message = `No frame can be saved to ${this.#folder}: ${reason}.`;
        throw new BridgeError('FILE_FAILED', message, { context: { path: this.#folder } });
      }
      await this.#remove(file);
    }
  }

  /** Why a file has to go before the next one is written. */
  async #reason(bytes: number): Promise<string | undefined> {
    if (this.#oldest.length === 0 && this.#more) await this.#scan();
    const { maxBytes = Number.POSITIVE_INFINITY, maxAgeMs, minFree } = this.#limits;
    const oldest = this.#oldest[0];
    if (maxAgeMs !== undefined && oldest && oldest.writtenMs < Date.now() - maxAgeMs) return 'age';
    if (bytes > 0 && this.#total + bytes > maxBytes)
      return `it is larger than the limit of ${maxBytes} bytes`;
    if (minFree === undefined || bytes === 0) return undefined;
    const { bavail, bsize } = await statfs(this.#folder);
    if (bavail * bsize - bytes >= minFree) return undefined;
    return `fewer than ${minFree} bytes are free on its disk, and no saved frame is left to remove. Free some space`;
  }

  async #remove(file: SavedFile): Promise<void> {
    await unlink(file.path).catch((error: NodeJS.ErrnoException) => {
      // A person or another program was faster.
      if (error.code !== 'ENOENT') throw error;
    });
    this.#oldest.shift();
    this.#total -= file.size;
    const folder = dirname(file.path);
    // The last file of an earlier run takes its folder with it; one that is not empty stays.
    if (folder !== this.#folder && this.#oldest[0]?.path.startsWith(`${folder}/`) !== true) {
      await rmdir(folder).catch(() => undefined);
    }
  }

  #forget(): void {
    this.#oldest = [];
    this.#more = true;
  }

  async #scan(): Promise<void> {
    const names = await readdir(this.#folder);
    const inFolders = names.filter((name) => EARLIER.test(name)).map((name) => join(this.#folder, name));
    const files: SavedFile[] = [];
    for (const folder of [this.#folder, ...inFolders]) {
      const ours = (await readdir(folder).catch(() => [])).filter((name) => this.#isOurs(name));
      while (ours.length > 0) {
        const paths = ours.splice(-LOOKED_AT_ONCE).map((name) => join(folder, name));
        const found = await Promise.all(paths.map((path) => lstat(path).catch(() => undefined)));
        for (const [index, file] of found.entries()) {
          if (file?.isFile()) files.push({ path: paths[index]!, size: file.size, writtenMs: file.mtimeMs });
        }
      }
    }
    files.sort((a, b) => a.writtenMs - b.writtenMs || a.path.localeCompare(b.path, 'en', { numeric: true }));
    this.#total = files.reduce((sum, file) => sum + file.size, 0);
    this.#oldest = files.slice(0, KNOWN_FILES);
    this.#more = files.length > KNOWN_FILES;
  }

  /** Whether a camera of this run, or of an earlier one by the same name, saved it. */
  #isOurs(name: string): boolean {
    const cameraId = /^(.*)-\d{8,}\.jpg$/.exec(name)?.[1];
    return cameraId !== undefined && this.#cameraIds.has(cameraId);
  }
}
