/** Saves every frame as a file of its own. */
import { link, lstat, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError } from '../errors.js';
import { fileFailure, makeFolder } from '../files.js';
import type { Frame } from '../frames/frame.js';
import type { Sink } from './sinks.js';

const DIGITS = 8;
const WHAT = 'Frames cannot be saved';
/** File systems without hard links, such as FAT, say one of these. */
const NO_LINKS = new Set(['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK']);

export class FrameFiles implements Sink {
  readonly first = true;
  readonly required = true;
  readonly #directory: string;
  #earlier: string | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Creates the directory if need be; FILE_FAILED. */
  static async open(directory: string): Promise<FrameFiles> {
    await makeFolder(WHAT, directory);
    return new FrameFiles(directory);
  }

  /** The folder that an earlier run's frames were moved to; undefined: there were none. */
  get earlier(): string | undefined {
    return this.#earlier;
  }

  /**
   * Makes room for the frames of a camera, which are numbered from 1 in each run: those that an earlier run left go to
   * a folder `earlier-<time>` beside them. FILE_FAILED.
   */
  async begin(cameraId: string): Promise<void> {
    try {
      const all = await readdir(this.#directory);
      const names = all.filter(
        (name) => name.startsWith(`${cameraId}-`) && /^\d{8,}\.jpg$/.test(name.slice(cameraId.length + 1)),
      );
      for (const name of all.filter((one) => one.startsWith(`.${cameraId}-`) && isLeftOver(one))) {
        await rm(join(this.#directory, name), { force: true });
      }
      if (names.length === 0) return;
      const folder = await this.#newFolder();
      for (const name of names) await rename(join(this.#directory, name), join(folder, name));
      this.#earlier = folder;
    } catch (cause) {
      throw await fileFailure(WHAT, this.#directory, cause);
    }
  }

  /**
   * Writes `<camera-id>-<sequence, 8 digits>.jpg`; it appears under its name only when it is whole, and never in the
   * place of another. FILE_FAILED.
   */
  async write(frame: Frame): Promise<void> {
    const name = `${frame.cameraId}-${String(frame.sequence).padStart(DIGITS, '0')}.jpg`;
    const path = join(this.#directory, name);
    const hidden = join(this.#directory, `.${name}.${process.pid}.part`);
    try {
      await writeFile(hidden, frame.jpeg);
      await appear(hidden, path);
      frame.saved(path);
    } catch (cause) {
      await rm(hidden, { force: true }).catch(() => undefined);
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw await fileFailure(WHAT, path, cause);
      throw new BridgeError(
        'FILE_FAILED',
        `${WHAT} to ${path}: it is there already. Another run, or another camera of the same name, saves to that folder: choose another one, or give each camera a --camera-id of its own.`,
        { context: { path }, cause },
      );
    }
  }

  close(): void {}

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

/** Gives a file its name. EEXIST: the name is taken. */
async function appear(hidden: string, path: string): Promise<void> {
  try {
    await link(hidden, path);
    await rm(hidden);
  } catch (error) {
    if (!NO_LINKS.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    if (await lstat(path).catch(() => undefined)) {
      throw Object.assign(new Error('the name is taken'), { code: 'EEXIST' });
    }
    await rename(hidden, path);
  }
}

/** A half file of a process that was killed. */
function isLeftOver(name: string): boolean {
  const pid = /-\d{8,}\.jpg\.(\d+)\.part$/.exec(name)?.[1];
  if (pid === undefined) return false;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH';
  }
}
