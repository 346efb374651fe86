/**
 * The directories behind image files. `files` is where the images stand that algorithms open; `work` is ours alone
 * and holds the owner marker and one hard link to every image in `files`. Without a given directory the two are one,
 * private, under `/dev/shm`. In a given one, `work` is a hidden directory inside it, and an image there is ours
 * exactly when it is the same file as one in `work`: what a dead process left can be removed without a guess.
 */
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { BridgeError } from '../../errors.js';
import { decodeOwner, encodeOwner, isAlive, thisOwner } from '../memory/owner.js';
import { SHM_DIRECTORY } from '../memory/segment-layout.js';
import { fullError, isFull, systemCode } from '../memory/system-errors.js';

export interface ImageDirectory {
  /** Where algorithms find the images; absolute. */
  readonly files: string;
  readonly work: string;
  /** Permissions of an image, before the umask. */
  readonly fileMode: number;
  /** Whether other programs may have files of their own in `files`. */
  readonly shared: boolean;
}

const MARKER = 'owner';
const PRIVATE_PREFIX = 'openmv-bridge-';
const WORK_PREFIX = '.openmv-bridge-';
const WORK_NAME = /^\.?openmv-bridge-\d+-[0-9A-Za-z]{6}$/;
/** What is younger may be a directory that another process has made and not marked yet. */
const UNMARKED_GRACE_MS = 60_000;

function directoryError(path: string, cause: unknown): BridgeError {
  const errno = systemCode(cause) ?? 'unknown';
  const why =
    errno === 'EEXIST' || errno === 'ENOTDIR'
      ? 'something there is not a directory'
      : errno === 'EACCES' || errno === 'EPERM'
        ? 'this user may not write there'
        : errno === 'EROFS'
          ? 'the file system is read-only'
          : cause instanceof Error
            ? cause.message
            : String(cause);
  return new BridgeError(
    'FILE_FAILED',
    `Cannot use ${path} for image files: ${why} (${errno}). Choose another directory (--image-dir).`,
    { context: { path, errno }, cause },
  );
}

/** The bytes of the marker; none when there is none yet, or its owner died before he wrote it. */
function readMarker(work: string): Uint8Array {
  try {
    return readFileSync(join(work, MARKER));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return new Uint8Array();
    throw error;
  }
}

/** Whether the owner is certainly dead, or never came to sign. */
function isLeftover(work: string, marker: Uint8Array): boolean {
  if (marker.length === 0) return Date.now() - statSync(work).mtimeMs > UNMARKED_GRACE_MS;
  const owner = decodeOwner(marker);
  return owner !== undefined && !isAlive(owner);
}

function identity(path: string): string {
  const { dev, ino } = lstatSync(path);
  return `${dev}:${ino}`;
}

/** Removes from `files` what is the same file as one in `work`, then `work`. */
function removeLeftover(work: string, files: string, signed: boolean): void {
  const names = readdirSync(work);
  if (!signed) {
    // Gone if there is nothing else in it, left alone if there is.
    if (names.every((name) => name === MARKER)) rmSync(join(work, MARKER), { force: true });
    rmdirSync(work);
    return;
  }
  const ours = new Set(names.map((name) => identity(join(work, name))));
  for (const name of readdirSync(files)) {
    const path = join(files, name);
    if (name.endsWith('.bin') && ours.has(identity(path))) unlinkSync(path);
  }
  rmSync(work, { recursive: true, force: true });
}

/** Clears what dead processes of this user left among the entries of `base`; never anything else. */
function sweep(base: string): void {
  for (const name of readdirSync(base)) {
    if (!WORK_NAME.test(name)) continue;
    const work = join(base, name);
    try {
      const found = lstatSync(work);
      if (!found.isDirectory() || found.uid !== (process.geteuid?.() ?? found.uid)) continue;
      const marker = readMarker(work);
      if (isLeftover(work, marker)) removeLeftover(work, base, marker.length > 0);
    } catch {
      // Gone meanwhile, or not to be read: whoever can clear it will.
    }
  }
}

function makeWork(base: string, prefix: string): string {
  // mkdtemp makes it 0700 under a name that nobody had.
  const work = mkdtempSync(join(base, `${prefix}${process.pid}-`));
  try {
    writeFileSync(join(work, MARKER), encodeOwner(thisOwner()), { flag: 'wx', mode: 0o600 });
    return work;
  } catch (error) {
    rmSync(work, { recursive: true, force: true });
    throw error;
  }
}

function privateBase(): string {
  try {
    if (statSync(SHM_DIRECTORY).isDirectory()) return SHM_DIRECTORY;
  } catch {
    // Not Linux, or a container without it.
  }
  return tmpdir();
}

/** Makes the directories, after clearing leftovers. Throws `FILE_FAILED` or `SHM_FULL`. */
export function openImageDirectory(given: string | undefined): ImageDirectory {
  const base = given === undefined ? privateBase() : resolve(given);
  try {
    if (given !== undefined) mkdirSync(base, { recursive: true, mode: 0o700 });
    sweep(base);
    const work = makeWork(base, given === undefined ? PRIVATE_PREFIX : WORK_PREFIX);
    if (given === undefined) return { files: work, work, fileMode: 0o600, shared: false };
    // Whoever chose the directory chose who may look into it.
    return { files: base, work, fileMode: 0o666, shared: true };
  } catch (error) {
    if (isFull(error)) throw fullError('A directory for image files', base, 0, error);
    throw directoryError(base, error);
  }
}

/** Removes what is ours of it; the images in `files` were unlinked before. Never throws. */
export function closeImageDirectory(directory: ImageDirectory): void {
  try {
    rmSync(directory.work, { recursive: true, force: true });
  } catch {
    // Made unreadable by somebody: the next start tries again.
  }
}
