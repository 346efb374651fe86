/** Annotated pictures as files of a directory. */
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError } from '../errors.js';
import { type Annotation, annotatePicture } from './annotate.js';

function failure(path: string, cause: unknown): BridgeError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new BridgeError(
    'FILE_FAILED',
    `Annotated pictures cannot be saved to ${path}: ${reason}. Free some space or choose another directory.`,
    { context: { path }, cause },
  );
}

export class AnnotatedFiles {
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Creates the directory if need be; FILE_FAILED. */
  static async open(directory: string): Promise<AnnotatedFiles> {
    try {
      await mkdir(directory, { recursive: true });
    } catch (cause) {
      throw failure(directory, cause);
    }
    return new AnnotatedFiles(directory);
  }

  /**
   * Draws and writes `<name>.jpg`, which appears only when it is whole; gives its path. FILE_FAILED, FRAME_CORRUPT.
   */
  async save(name: string, jpeg: Uint8Array, annotation: Annotation): Promise<string> {
    const drawn = await annotatePicture(jpeg, annotation);
    const path = join(this.#directory, `${name}.jpg`);
    const hidden = join(this.#directory, `.${name}.jpg.part`);
    try {
      await writeFile(hidden, drawn);
      await rename(hidden, path);
      return path;
    } catch (cause) {
      await rm(hidden, { force: true }).catch(() => undefined);
      throw failure(path, cause);
    }
  }
}
