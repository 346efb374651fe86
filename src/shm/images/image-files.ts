/**
 * Image files for algorithms: what the adapter's `read_image_from_shared_memory(id, ...)` opens under PROC_SHM_DIR.
 * An adapter takes a missing or truncated file for a black picture without a word, so a file appears under its name
 * only when it is whole, and stays until it is released.
 *
 * A program that still has an old one open or mapped, or has linked it elsewhere, keeps that picture, where writing over it
 * would give half of another, or kill the program. Only a file that no other program has is written again for a later image.
 */
import { existsSync, linkSync } from 'node:fs';
import { join } from 'node:path';
import { types } from 'node:util';
import { BridgeError } from '../../errors.js';
import { closeAtExit } from '../memory/cleanup.js';
import { systemCode } from '../memory/system-errors.js';
import { HiddenFile, removeQuietly, tellsSharing } from './hidden-file.js';
import {
  closeImageDirectory,
  type ImageDirectory,
  imageError,
  openImageDirectory,
  restoreImageDirectory,
} from './image-directory.js';

export interface ImageFilesOptions {
  /**
   * Where the files go; created when it does not exist, and other files in it are never touched. Default: a private
   * directory (0700) under `/dev/shm`, removed by `close()`.
   */
  readonly dir?: string;
  /** How many files may be held at once. Default 64. */
  readonly limit?: number;
  /** Told when another program has removed the directory and `put` has made it again; what it held is gone. */
  readonly onRemoved?: (error: BridgeError) => void;
}

/** An image file that stays until it is released. */
export interface ImageLease {
  readonly id: string;
  readonly path: string;
  /** Removes the file. Idempotent. */
  release(): void;
}

const DEFAULT_LIMIT = 64;
const MAX_LIMIT = 65_536;
const MAX_ID_LENGTH = 200;
const IDS_SHOWN = 8;
/** Files whose descriptors stay open, held or free to be written again: their memory stays in use as well. */
const MAX_KEPT = 4;

/** The file name that an adapter makes of an id. Whole characters are replaced, also those of two UTF-16 units. */
export function imageFileName(id: string): string {
  if (typeof id !== 'string' || id === '' || id.length > MAX_ID_LENGTH) {
    throw new BridgeError('OPTION_INVALID', `An image id must have 1 to ${MAX_ID_LENGTH} characters.`, {
      context: { length: String(id).length },
    });
  }
  return `${id.replace(/[^a-zA-Z0-9._-]/gu, '_')}.bin`;
}

export class ImageFiles {
  /** The directory, absolute: the adapter's PROC_SHM_DIR. */
  readonly dir: string;
  readonly #directory: ImageDirectory;
  readonly #limit: number;
  readonly #onRemoved: (error: BridgeError) => void;
  /** By file name: two ids may lead to the same one. */
  readonly #leases = new Map<string, ImageLease>();
  /** Of images that were released, to be written again. */
  readonly #free: HiddenFile[] = [];
  /** Files with open descriptors: those, and those of held images. */
  #kept = 0;
  readonly #forget: () => void;
  #open = true;

  constructor(directory: ImageDirectory, limit: number, onRemoved: (error: BridgeError) => void) {
    this.dir = directory.files;
    this.#directory = directory;
    this.#limit = limit;
    this.#onRemoved = onRemoved;
    this.#forget = closeAtExit(() => this.close());
  }

  /** Files that are held at the moment. */
  get count(): number {
    return this.#leases.size;
  }

  /**
   * Writes one image, synchronously, as `<id>.bin`, with every character of the id outside `[a-zA-Z0-9._-]` replaced
   * by `_`; when it returns, the file is whole under its name. A directory that another program removed is made again.
   * Throws `SHM_FULL` (too many are held, or no space: then
   * nothing stays), `SHM_IN_USE` (the name is taken), `OPTION_INVALID` (an impossible id, no bytes) or `FILE_FAILED`.
   */
  put(id: string, jpeg: Uint8Array): ImageLease {
    const name = imageFileName(id);
    this.#check(id, name, jpeg);
    const path = join(this.dir, name);
    const file = this.#place(name, path, jpeg);
    const lease: ImageLease = {
      id,
      path,
      release: () => {
        if (this.#leases.get(name) !== lease) return;
        this.#leases.delete(name);
        removeQuietly(path);
        if (file.open && this.#open) this.#free.push(file);
        else this.#remove(file);
      },
    };
    this.#leases.set(name, lease);
    return lease;
  }

  /** Writes the image under a hidden name, and links its own name to it. */
  #place(name: string, path: string, jpeg: Uint8Array): HiddenFile {
    for (let restored = false; ; restored = true) {
      let file: HiddenFile | undefined;
      try {
        if (restored) restoreImageDirectory(this.#directory);
        file = this.#freeFile() ?? this.#newFile();
        file.write(jpeg);
        // In one step, and never over a file that is there.
        linkSync(file.path, path);
        if (this.#kept >= MAX_KEPT || !tellsSharing()) file.close();
        else this.#kept++;
        if (restored) this.#onRemoved(removed(this.dir));
        return file;
      } catch (error) {
        file?.remove();
        this.#removeFree();
        if (error instanceof BridgeError) throw error;
        const code = systemCode(error);
        if (code === 'EEXIST') throw taken(path, 'a file of another program');
        if (code !== 'ENOENT' || restored)
          throw imageError(`The image file ${name}`, this.dir, jpeg.length, error);
      }
    }
  }

  #newFile(): HiddenFile {
    // In a directory of the user's choice, the user chose who may look into it.
    return new HiddenFile(this.#directory.work, this.#directory.shared ? 0o666 : 0o600);
  }

  /** One that may be written again; it does not count as kept then. Those that a reader still has are let go. */
  #freeFile(): HiddenFile | undefined {
    for (let file = this.#free.shift(); file; file = this.#free.shift()) {
      if (file.isUnshared()) {
        this.#kept--;
        return file;
      }
      this.#remove(file);
    }
    return undefined;
  }

  #removeFree(): void {
    for (const file of this.#free.splice(0)) this.#remove(file);
  }

  #remove(file: HiddenFile): void {
    if (file.open) this.#kept--;
    file.remove();
  }

  #check(id: string, name: string, jpeg: Uint8Array): void {
    if (!this.#open) throw new BridgeError('SHM_FAILED', `The image files in ${this.dir} are closed.`);
    if (!types.isUint8Array(jpeg) || jpeg.length === 0) {
      throw new BridgeError('OPTION_INVALID', `The image ${id} has no bytes.`, { context: { id } });
    }
    const holder = this.#leases.get(name);
    if (holder) throw taken(holder.path, `the image ${holder.id}, which is not released`);
    if (this.#leases.size >= this.#limit) this.#refuse();
    // An adapter prefers an array of the same name, and would look at that instead of the camera's picture.
    const array = join(this.dir, name.replace(/bin$/, 'npy'));
    if (this.#directory.shared && existsSync(array))
      throw taken(array, 'a file of another program, which adapters would read instead');
  }

  #refuse(): never {
    const ids = Array.from(this.#leases.values(), (lease) => lease.id);
    const more = ids.length > IDS_SHOWN ? ` and ${ids.length - IDS_SHOWN} more` : '';
    throw new BridgeError(
      'SHM_FULL',
      `All ${this.#limit} image files in ${this.dir} are held: ${ids.slice(0, IDS_SHOWN).join(', ')}${more}. ` +
        'Release the images whose results are in.',
      { context: { dir: this.dir, limit: this.#limit, ids } },
    );
  }

  /** Releases all and removes what is ours. Idempotent. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#forget();
    for (const lease of [...this.#leases.values()]) lease.release();
    this.#removeFree();
    closeImageDirectory(this.#directory);
  }
}

function removed(dir: string): BridgeError {
  return new BridgeError(
    'SHM_FAILED',
    `Another program removed the directory of image files ${dir}. It is made again. Keep other programs out of it, or ` +
      'choose another directory for images.',
    { context: { dir } },
  );
}

function taken(path: string, holder: string): BridgeError {
  return new BridgeError(
    'SHM_IN_USE',
    `The image file ${path} is taken by ${holder}. Use another id, or another directory for images.`,
    { context: { path } },
  );
}

/**
 * Opens a place for image files and clears what dead processes left there. Works on every system; in memory on Linux.
 * Throws `OPTION_INVALID`, `FILE_FAILED` or `SHM_FULL`.
 */
export function openImageFiles(options: ImageFilesOptions = {}): ImageFiles {
  const { dir, limit = DEFAULT_LIMIT, onRemoved = () => undefined } = options;
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT) {
    throw new BridgeError(
      'OPTION_INVALID',
      `The limit of image files must be 1 to ${MAX_LIMIT}, not ${limit}.`,
      { context: { limit } },
    );
  }
  if (dir === '') throw new BridgeError('OPTION_INVALID', 'The directory for image files has an empty name.');
  return new ImageFiles(openImageDirectory(dir), limit, onRemoved);
}
