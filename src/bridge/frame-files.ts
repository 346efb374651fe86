/** Saves every frame as a file of its own. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError } from '../errors.js';
import type { Frame } from '../frames/frame.js';

const DIGITS = 8;

export class FrameFiles {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Creates the directory if need be; FILE_FAILED. */
  static async open(directory: string): Promise<FrameFiles> {
    try {
      await mkdir(directory, { recursive: true });
    } catch (cause) {
      throw failure(directory, cause);
    }
    return new FrameFiles(directory);
  }

  /** Writes `<camera-id>-<sequence, 8 digits>.jpg`; it appears under its name only when it is whole. FILE_FAILED. */
  async save(frame: Frame): Promise<void> {
    const name = `${frame.cameraId}-${String(frame.sequence).padStart(DIGITS, '0')}.jpg`;
    const path = join(this.#directory, name);
    const hidden = join(this.#directory, `.${name}.part`);
    try {
      await writeFile(hidden, frame.jpeg);
      await rename(hidden, path);
    } catch (cause) {
      await rm(hidden, { force: true }).catch(() => undefined);
      throw failure(path, cause);
    }
  }
}

function failure(path: string, cause: unknown): BridgeError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new BridgeError(
    'FILE_FAILED',
    `Frames cannot be saved to ${path}: ${reason}. Free some space or choose another directory.`,
    {
      context: { path },
      cause,
    },
  );
}
