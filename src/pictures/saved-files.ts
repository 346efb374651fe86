/** A folder of pictures named by camera and sequence: what is saved there, and for how long. */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError } from '../errors.js';
import { fileFailure, makeFolder, writeNew } from '../files.js';
import { Retention, type RetentionLimits } from './retention.js';

const DIGITS = 8;
/** A part of this age was left over by a process that was killed. */
const LEFT_OVER_MS = 60_000;

/** Of a call. What the algorithm did not see is skipped, and no policy picks it by that. */
export type SavedOutcome = 'ok' | 'ng' | 'failed';

export interface SavePolicy extends RetentionLimits {
  /** `all`, `every:N`, or a list of `ng` and `failed`, which the algorithm decides. */
  readonly when: string;
}

/** A frame as far as its file's name and time go. */
interface Named {
  readonly cameraId: string;
  readonly sequence: number;
  /** Unix milliseconds; undefined: it is not known. */
  readonly takenAtMs?: number;
}

export class SavedFiles {
  readonly #what: string;
  readonly #directory: string;
  readonly #every: number;
  readonly #outcomes: ReadonlySet<string> | undefined;
  #retention: Retention | undefined;
  #earlier: string | undefined;

  private constructor(what: string, directory: string, cameraId: string, policy: SavePolicy) {
    this.#what = what;
    this.#directory = directory;
    const { when } = policy;
    this.#every = when.startsWith('every:') ? Number(when.slice('every:'.length)) : 1;
    this.#outcomes = when === 'all' || when.startsWith('every:') ? undefined : new Set(when.split(','));
    this.#retention = Retention.open(directory, cameraId, policy);
  }

  /**
   * Creates the folder if need be, and makes way for the pictures of a camera, which are numbered from 1 in each run:
   * those that an earlier run left go to a folder `earlier-<time>` in it. FILE_FAILED begins with `what`.
   */
  static async open(
    what: string,
    directory: string,
    cameraId: string,
    policy: SavePolicy,
  ): Promise<SavedFiles> {
    await makeFolder(what, directory);
    const files = new SavedFiles(what, directory, cameraId, policy);
    try {
      await files.#begin(cameraId);
      return files;
    } catch (cause) {
      files.close();
      throw await fileFailure(what, directory, cause);
    }
  }

  /** The folder that an earlier run's pictures were moved to; undefined: there were none. */
  get earlier(): string | undefined {
    return this.#earlier;
  }

  /** Whether that depends on a frame's outcome. */
  get byOutcome(): boolean {
    return this.#outcomes !== undefined;
  }

  /** Whether a frame is saved; `outcome`: undefined while it is not known. */
  wants(sequence: number, outcome?: SavedOutcome): boolean {
    if (this.#outcomes) return outcome !== undefined && this.#outcomes.has(outcome);
    return (sequence - 1) % this.#every === 0;
  }

  /**
   * Writes `<camera-id>-<sequence, 8 digits>.jpg` and gives its path. It appears under its name only when it is whole,
   * and never in the place of another, with the time at which the picture was taken; older files may go for it. FILE_FAILED.
   */
  async save({ cameraId, sequence, takenAtMs }: Named, jpeg: Uint8Array): Promise<string> {
    const path = join(this.#directory, `${cameraId}-${String(sequence).padStart(DIGITS, '0')}.jpg`);
    try {
      const write = (): Promise<void> => writeNew(path, jpeg, takenAtMs);
      await (this.#retention ? this.#retention.write(path, jpeg.length, write) : write());
      return path;
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST')
        throw await fileFailure(this.#what, path, cause);
      const message = `${this.#what} to ${path}: it is there already. Another run, or another camera of the same name, saves to that folder: choose another one, or give each camera an id of its own.`;
      throw new BridgeError('FILE_FAILED', message, { context: { path }, cause });
    }
  }

  /** Ends the limits' hold on the folder. Idempotent. */
  close(): void {
    this.#retention?.close();
    this.#retention = undefined;
  }

  async #begin(cameraId: string): Promise<void> {
    const all = await readdir(this.#directory);
    for (const name of all.filter((one) => one.startsWith(`.${cameraId}-`) && one.endsWith('.part'))) {
      const path = join(this.#directory, name);
      const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }));
      if (Date.now() - mtimeMs > LEFT_OVER_MS) await rm(path, { force: true });
    }
    const names = all.filter(
      (name) => name.startsWith(`${cameraId}-`) && /^\d{8,}\.jpg$/.test(name.slice(cameraId.length + 1)),
    );
    if (names.length === 0) return;
    this.#earlier = await this.#newFolder();
    for (const name of names) await rename(join(this.#directory, name), join(this.#earlier, name));
  }

  /** `earlier-20250131-235959`, with a number behind it when there is one already. */
  async #newFolder(): Promise<string> {
    const [day, time] = new Date().toISOString().replace(/[-:]/g, '').split(/[T.]/);
    for (let number = 1; ; number++) {
      const folder = join(this.#directory, `earlier-${day}-${time}${number === 1 ? '' : `-${number}`}`);
      try {
        await mkdir(folder);
        return folder;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      }
    }
  }
}
