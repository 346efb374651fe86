/**
 * The directories behind image files. `files` is where the images are that algorithms open; `work` is ours alone and
 * holds the owner marker and one hard link to every image in `files`. Without a given directory the two are one,
 * private, under `/dev/shm`. In a given one, `work` is a hidden directory inside it, and an image there is ours exactly
 * when it is the same file as one in `work`: what a dead process left can be removed without a guess.
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
import { basename, join, resolve } from 'node:path';
import { BridgeError } from '../../errors.js';
import { decodeOwner, encodeOwner, isAlive, thisOwner } from '../memory/owner.js';
import { SHM_DIRECTORY } from '../memory/segment-layout.js';
import { fullError, isFull, systemCode } from '../memory/system-errors.js';

export interface ImageDirectory {
  /** Where algorithms find the images; absolute. */
  readonly files: string;
  readonly work: string;
  /** Whether other programs may have files of their own in `files`. */
  readonly shared: boolean;
}

const MARKER = 'owner';
const WORK_NAME = /^\.?openmv-bridge-\d+-[0-9A-Za-z]{6}$/;
/** What is younger may be a directory that another process has made and not marked yet. */
const UNMARKED_GRACE_MS = 60_000;

const REASONS: Readonly<Record<string, string>> = {
  EEXIST: 'something there is not a directory',
  ENOTDIR: 'something there is not a directory',
  EACCES: 'this user may not write there',
  EROFS: 'the file system is read-only',
  ENOENT: 'its directory was removed',
  EPERM: 'this user may not write there, or the file system has no hard links',
  ENOTSUP: 'the file system of its directory has no hard links',
};

/** `SHM_FULL` or `FILE_FAILED`. `what` cannot be used or made, at `path`. */
export function imageError(what: string, path: string, bytes: number, cause: unknown): BridgeError {
  if (isFull(cause)) return fullError(what, path, bytes, cause);
  const errno = systemCode(cause) ?? 'unknown';
  const why = REASONS[errno] ?? (cause instanceof Error ? cause.message : String(cause));
  return new BridgeError(
    'FILE_FAILED',
    `${what} in ${path} is not possible: ${why} (${errno}). Choose another directory for images.`,
    { context: { path, errno }, cause },
  );
}

/** The bytes of the marker; none when there is none yet, or its owner died before it wrote it. */
function readMarker(work: string): Uint8Array {
  try {
    return readFileSync(join(work, MARKER));
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return new Uint8Array();
    throw error;
  }
}

/** Removes a directory whose owner is certainly dead, or never came to sign, and from `files` what is the same file. */
function removeLeftover(work: string, files: string): void {
  const marker = readMarker(work);
  const names = readdirSync(work);
  if (marker.length === 0) {
    const old = Date.now() - statSync(work).mtimeMs > UNMARKED_GRACE_MS;
    // Gone if there is nothing else in it, left alone if there is.
    if (!old || names.some((name) => name !== MARKER)) return;
    rmSync(join(work, MARKER), { force: true });
    rmdirSync(work);
    return;
  }
  const owner = decodeOwner(marker);
  if (owner === undefined || isAlive(owner)) return;
  const identity = (path: string): string => {
    const { dev, ino } = lstatSync(path);
    return `${dev}:${ino}`;
  };
  const ours = new Set(names.map((name) => identity(join(work, name))));
  for (const name of readdirSync(files)) {
    const path = join(files, name);
    if (name.endsWith('.bin') && ours.has(identity(path))) unlinkSync(path);
  }
  rmSync(work, { recursive: true, force: true });
}

/** Whether that is such a directory, and its owner certainly dead. Throws where it cannot be read. */
export function isLeftoverDirectory(work: string): boolean {
  const owner = WORK_NAME.test(basename(work)) ? decodeOwner(readMarker(work)) : undefined;
  return owner !== undefined && !isAlive(owner);
}

/** Clears what dead processes of this user left among the entries of `base`; never anything else. */
function sweep(base: string): void {
  for (const name of readdirSync(base)) {
    if (!WORK_NAME.test(name)) continue;
    const work = join(base, name);
    try {
      const found = lstatSync(work);
      const ours = found.isDirectory() && found.uid === (process.geteuid?.() ?? found.uid);
      if (ours) removeLeftover(work, base);
    } catch {
      // Gone meanwhile, or not to be read: a later start clears it.
    }
  }
}

function privateBase(): string {
  // Not Linux, or a container without it: not in memory then.
  return statSync(SHM_DIRECTORY, { throwIfNoEntry: false })?.isDirectory() ? SHM_DIRECTORY : tmpdir();
}

function sign(work: string): void {
  writeFileSync(join(work, MARKER), encodeOwner(thisOwner()), { mode: 0o600 });
}

/** Makes again what another program removed of them, under the same names. Throws `FILE_FAILED` or `SHM_FULL`. */
export function restoreImageDirectory({ files, work, shared }: ImageDirectory): void {
  try {
    if (shared) mkdirSync(files, { recursive: true, mode: 0o700 });
    try {
      mkdirSync(work, 0o700);
    } catch (error) {
      const found = lstatSync(work);
      // Anybody may have put something there meanwhile: images are for this user's eyes.
      if (!found.isDirectory() || found.uid !== (process.geteuid?.() ?? found.uid)) throw error;
    }
    sign(work);
  } catch (error) {
    throw imageError('A directory for image files', files, 0, error);
  }
}

/** Makes the directories, after clearing leftovers. Throws `FILE_FAILED` or `SHM_FULL`, and leaves nothing then. */
export function openImageDirectory(given: string | undefined): ImageDirectory {
  const shared = given !== undefined;
  const base = shared ? resolve(given) : privateBase();
  let work: string | undefined;
  try {
    if (shared) mkdirSync(base, { recursive: true, mode: 0o700 });
    sweep(base);
    // mkdtemp makes it 0700 under a name that was free.
    work = mkdtempSync(join(base, `${shared ? '.' : ''}openmv-bridge-${process.pid}-`));
    sign(work);
    return { files: shared ? base : work, work, shared };
  } catch (error) {
    if (work !== undefined) rmSync(work, { recursive: true, force: true });
    throw imageError('A directory for image files', base, 0, error);
  }
}

/** Removes what is ours of it; the images in `files` were unlinked before. Never throws. */
export function closeImageDirectory(directory: ImageDirectory): void {
  try {
    rmSync(directory.work, { recursive: true, force: true });
  } catch {
    // Another program made it unreadable: the next start tries again.
  }
}
