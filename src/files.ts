/** Files that are written whole or not at all, and why one could not be written, in plain words. */
import { constants } from 'node:fs';
import {
  chmod,
  type FileHandle,
  lstat,
  mkdir,
  open,
  readlink,
  realpath,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { BridgeError } from './errors.js';

/** How long the reader of a FIFO or a device may take to come, and to take the bytes. */
const READER_MS = 10_000;
const LOOK_MS = 20;
/** As many as the kernel follows. */
const MAX_LINKS = 40;

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | undefined)?.code;

/** FILE_FAILED. `what` cannot be done, such as `The snapshot cannot be written`; `path` is where. */
export async function fileFailure(what: string, path: string, cause: unknown): Promise<BridgeError> {
  if (cause instanceof BridgeError) return cause;
  const code = codeOf(cause);
  const where = code === undefined ? path : `${path} (${code})`;
  return new BridgeError('FILE_FAILED', `${what} to ${where}: ${await reason(path, cause)}`, {
    context: { path },
    cause,
  });
}

async function reason(path: string, cause: unknown): Promise<string> {
  const code = codeOf(cause);
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full. Free some space or choose another place.';
    case 'EACCES':
    case 'EPERM':
      return 'there is no permission to write there. Choose another place, or change its permissions.';
    case 'EROFS':
      return 'that disk can only be read. Choose another place.';
    case 'EISDIR':
      return 'it is a folder. Name a file in it.';
    case 'EEXIST':
      return 'a file of that name is there already. Choose another folder.';
    case 'ENOTDIR':
    case 'ENOENT': {
      const folder = await firstMissing(path);
      if (code === 'ENOTDIR') return `${folder} is no folder. Choose another place.`;
      return (await exists(folder).catch(() => false))
        ? `no file can be made in ${folder}. Choose another place.`
        : `the folder ${folder} does not exist. Make it first, or choose another place.`;
    }
    default:
      return `${cause instanceof Error ? cause.message : String(cause)}. Choose another place.`;
  }
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
  try {
    let at = folder;
    for (; (await exists(at)) === false; at = dirname(at)) missing.unshift(at);
    if (!(await stat(at)).isDirectory()) {
      throw new BridgeError(
        'FILE_FAILED',
        `${what} to ${path}: ${at === folder ? 'it is a file, not a folder' : `${at} is no folder`}. Choose another folder.`,
        { context: { path } },
      );
    }
    for (const one of missing) {
      await mkdir(one).catch((error: unknown) => {
        // Another program was faster.
        if (codeOf(error) !== 'EEXIST') throw error;
      });
    }
  } catch (cause) {
    // There is a folder above it: the file system takes no new ones.
    if (codeOf(cause) === 'ENOENT' && missing.length > 0) {
      throw new BridgeError(
        'FILE_FAILED',
        `${what} to ${path}: no folder can be made in ${dirname(missing[0]!)}. Choose another folder.`,
        { context: { path }, cause },
      );
    }
    throw await fileFailure(what, path, cause);
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
 * symbolic link is followed; a FIFO or a device is written to as it is. FILE_FAILED begins with `what`.
 */
export async function writeWhole(what: string, path: string, bytes: Uint8Array): Promise<void> {
  try {
    const found = await stat(path).catch(() => undefined);
    if (found?.isDirectory()) throw Object.assign(new Error('it is a folder'), { code: 'EISDIR' });
    if (found?.isBlockDevice() || found?.isSocket()) {
      const kind = found.isSocket() ? 'a socket' : 'a disk';
      throw new BridgeError('FILE_FAILED', `${what} to ${path}: it is ${kind}. Name a file.`, {
        context: { path },
      });
    }
    if (found && !found.isFile()) await writeInto(path, bytes);
    else await replace(found ? await realpath(path) : await targetOf(path), bytes, found?.mode);
  } catch (cause) {
    throw await fileFailure(what, path, cause);
  }
}

/** Where a link that leads to nothing yet leads to; else the path itself. */
async function targetOf(path: string): Promise<string> {
  let at = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const found = await lstat(at).catch(() => undefined);
    if (!found?.isSymbolicLink()) return at;
    at = resolve(dirname(at), await readlink(at));
  }
  throw new Error('its links lead in a circle');
}

async function replace(path: string, bytes: Uint8Array, mode: number | undefined): Promise<void> {
  const part = join(dirname(path), `.${basename(path)}.${process.pid}.part`);
  try {
    await writeFile(part, bytes);
    if (mode !== undefined) await chmod(part, mode & 0o7777);
    await rename(part, path);
  } catch (error) {
    await rm(part, { force: true }).catch(() => undefined);
    throw error;
  }
}

/** What is no file: a FIFO whose reader may still have to come, a terminal, a device. Never blocks a thread. */
async function writeInto(path: string, bytes: Uint8Array): Promise<void> {
  const until = performance.now() + READER_MS;
  const waiting = async <T>(passing: string, action: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        if (codeOf(error) !== passing || performance.now() > until) throw unread(error, passing);
        await pause(LOOK_MS);
      }
    }
  };
  const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
  const file: FileHandle = await waiting('ENXIO', () => open(path, flags));
  try {
    for (let at = 0; at < bytes.length; ) {
      at += (await waiting('EAGAIN', () => file.write(bytes, at))).bytesWritten;
    }
  } finally {
    await file.close();
  }
}

function unread(error: unknown, passing: string): unknown {
  if (codeOf(error) !== passing) return error;
  return new Error(`no program reads from it within ${READER_MS / 1_000} s`);
}
