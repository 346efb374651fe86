/** Files that are written whole or not at all, and why one could not be written, in plain words. */
import { randomBytes } from 'node:crypto';
import { link, lstat, mkdir, open, readlink, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { BridgeError } from './errors.js';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;

/** FILE_FAILED. `what` cannot be done, such as `The snapshot cannot be written`; `path` is where. */
export async function fileFailure(what: string, path: string, cause: unknown): Promise<BridgeError> {
  if (cause instanceof BridgeError) return cause;
  const code = codeOf(cause);
  const where = code === undefined ? path : `${path} (${code})`;
  return new BridgeError('FILE_FAILED', `${what} to ${where}: ${await writeProblem(path, cause)}`, {
    context: { path },
    cause,
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full. Free some space or choose another place.',
  EDQUOT: 'the disk is full. Free some space or choose another place.',
  EACCES: 'there is no permission to write there. Choose another place, or change its permissions.',
  EPERM: 'there is no permission to write there. Choose another place, or change its permissions.',
  EROFS: 'that disk can only be read. Choose another place.',
  EISDIR: 'it is a folder. Name a file in it.',
  EEXIST: 'a file of that name is there already. Choose another folder.',
};

/** Why a file could not be read, for the end of a sentence. */
export function readProblem(cause: unknown): string {
  switch (codeOf(cause)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'there is no permission to read it';
    case 'EISDIR':
      return 'it is a folder';
    default:
      return cause instanceof Error ? cause.message : String(cause);
  }
}

/** Why a file could not be written, and what to do, for the end of a message. */
export async function writeProblem(path: string, cause: unknown): Promise<string> {
  const code = codeOf(cause) ?? '';
  if (code !== 'ENOTDIR' && code !== 'ENOENT') {
    return (
      REASONS[code] ?? `${cause instanceof Error ? cause.message : String(cause)}. Choose another place.`
    );
  }
  const folder = await firstMissing(path);
  if (code === 'ENOTDIR') return `${folder} is no folder. Choose another place.`;
  return (await exists(folder).catch(() => false))
    ? `no file can be made in ${folder}. Choose another place.`
    : `the folder ${folder} does not exist. Make it first, or choose another place.`;
}

/** The uppermost part of the path above a file that is no folder. */
async function firstMissing(path: string): Promise<string> {
  let folder = dirname(resolve(path));
  for (let up = dirname(folder); up !== folder; up = dirname(folder)) {
    const found = await stat(up).catch(() => undefined);
    if (found?.isDirectory()) break;
    folder = up;
  }
  return folder;
}

/**
 * Makes a folder and those above it that are missing. (Node's own recursive `mkdir` never returns in file systems that
 * refuse a new folder with ENOENT, such as /proc.) FILE_FAILED begins with `what`.
 */
export async function makeFolder(what: string, path: string): Promise<void> {
  const folder = resolve(path);
  const missing: string[] = [];
  const failure = (why: string, cause?: unknown): BridgeError =>
    new BridgeError('FILE_FAILED', `${what} to ${path}: ${why}. Choose another folder.`, {
      context: { path },
      cause,
    });
  try {
    let at = folder;
    for (; (await exists(at)) === false; at = dirname(at)) missing.unshift(at);
    if (!(await stat(at)).isDirectory()) {
      throw failure(at === folder ? 'it is a file, not a folder' : `${at} is no folder`);
    }
    for (const one of missing) {
      await mkdir(one).catch((error: unknown) => {
        // Another program was faster.
        if (codeOf(error) !== 'EEXIST') throw error;
      });
    }
  } catch (cause) {
    // There is a folder above it: the file system takes no new ones.
    if (codeOf(cause) !== 'ENOENT' || missing.length === 0) throw await fileFailure(what, path, cause);
    throw failure(`no folder can be made in ${dirname(missing[0]!)}`, cause);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

/**
 * Writes a file so that it appears under its name only when it is whole, with the permissions of the one it replaces. A
 * symbolic link is followed. `modifiedMs`: its time of modification, if not now. FILE_FAILED begins with `what`.
 */
export async function writeWhole(
  what: string,
  path: string,
  bytes: Uint8Array,
  modifiedMs?: number,
): Promise<void> {
  try {
    const found = (await exists(path)) ? await stat(path) : undefined;
    if (found?.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    if (found && !found.isFile()) throw new Error('it is a device, a FIFO or a socket, not a file');
    const target = await targetOf(path);
    await throughPart(target, bytes, { mode: found?.mode, modifiedMs }, (part) => rename(part, target));
  } catch (cause) {
    throw await fileFailure(what, path, cause);
  }
}

/** As `writeWhole`, for a name that is free. Rejects as the file system does: EEXIST when the name is taken. */
export function writeNew(path: string, bytes: Uint8Array, modifiedMs?: number): Promise<void> {
  return throughPart(path, bytes, { modifiedMs }, (part) => appear(part, path));
}

/** Where a link leads to, also one that leads to nothing yet; else the path itself. */
async function targetOf(path: string): Promise<string> {
  const next = await readlink(path).catch(() => undefined);
  return next === undefined ? path : targetOf(resolve(dirname(path), next));
}

/**
 * Writes beside `path` and has `place` give the file its name. The part has a name that cannot be foretold and must not
 * exist: neither a link nor a file that another program put there is written to.
 */
async function throughPart(
  path: string,
  bytes: Uint8Array,
  { mode, modifiedMs }: { readonly mode?: number | undefined; readonly modifiedMs: number | undefined },
  place: (part: string) => Promise<void>,
): Promise<void> {
  const part = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.part`);
  const file = await open(part, 'wx');
  try {
    try {
      await file.writeFile(bytes);
      if (mode !== undefined) await file.chmod(mode & 0o7777);
      if (modifiedMs !== undefined) await file.utimes(modifiedMs / 1_000, modifiedMs / 1_000);
    } finally {
      await file.close();
    }
    await place(part);
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** Gives a file its name. EEXIST: the name is taken. */
async function appear(part: string, path: string): Promise<void> {
  try {
    await link(part, path);
    await rm(part);
  } catch (error) {
    // File systems without hard links, such as FAT, say one of these.
    if (!['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'].includes(codeOf(error) ?? '')) throw error;
    const found = await lstat(path).catch(() => undefined);
    if (found) throw Object.assign(new Error('the name is taken'), { code: 'EEXIST' });
    await rename(part, path);
  }
}
