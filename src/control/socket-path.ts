/** Where the control socket is, and putting it there so that only one process serves it. */
import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, lstatSync, mkdirSync, statSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';

/** Where VizionStreamer's clients look for it. Any user of the machine may take this name. */
export const VIZION_CONTROL_PATH = '/tmp/vizion_control.sock';

const SOCKET_NAME = 'openmv-bridge.sock';
/** The longest path of a Unix socket on Linux has 107 bytes; some are for what is behind it at first. */
const MAX_PATH_BYTES = 97;
/** How long a socket that is there may take to show whether a program serves it. */
const PROBE_MS = 1_000;
/** Attempts to get a name that others get and leave at the same time. */
const ATTEMPTS = 50;
const BETWEEN_MS = 10;

/** A claim is made and removed without a wait in between: one older than this was left behind. */
const CLAIM_MS = 10_000;

/** Folders for the socket that no other user can write to: the session's, else one of our own. */
function folders(): string[] {
  const session = process.env['XDG_RUNTIME_DIR'];
  const own = join(tmpdir(), `openmv-bridge-${userInfo().uid}`);
  return session?.startsWith('/') ? [session, own] : [own];
}

/** Whether only this user can put something there. */
function isPrivate(folder: string): boolean {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  return found?.isDirectory() === true && found.uid === process.getuid?.() && (found.mode & 0o077) === 0;
}

/**
 * The socket's default path: in XDG_RUNTIME_DIR, else in a folder of this user's own in the folder for temporary files.
 * `existing`: the one of them that is there. FILE_FAILED: another user has made that folder.
 */
export function controlPath(existing = false): string {
  const paths = folders()
    .filter(isPrivate)
    .map((folder) => join(folder, SOCKET_NAME));
  const found = existing && paths.find((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
  if (found) return found;
  if (paths[0] !== undefined) return paths[0];
  const folder = folders().at(-1)!;
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cannot(folder, cause);
  }
  if (isPrivate(folder)) return join(folder, SOCKET_NAME);
  const message = `The control socket's folder ${folder} belongs to another user, or others may write to it. Remove it, or name another path for the socket.`;
  throw new BridgeError('FILE_FAILED', message, { context: { path: folder } });
}

/** Sockets at the usual paths that no program serves any more. */
export async function findLeftoverSockets(): Promise<string[]> {
  const paths = folders()
    .filter(isPrivate)
    .map((folder) => join(folder, SOCKET_NAME));
  const sockets = [...paths, VIZION_CONTROL_PATH].filter((path) =>
    lstatSync(path, { throwIfNoEntry: false })?.isSocket(),
  );
  const served = await Promise.all(sockets.map(isServed));
  return sockets.filter((_path, index) => !served[index]);
}

/** OPTION_INVALID: no Unix socket can have that path. */
export function checkPath(path: string): void {
  if (path !== '' && Buffer.byteLength(path) <= MAX_PATH_BYTES && !path.includes('\0')) return;
  const message = `The control socket's path has 1 to ${MAX_PATH_BYTES} bytes: ${path.slice(0, 200)}`;
  throw new BridgeError('OPTION_INVALID', message, { context: { path } });
}

/** A name beside `path` that no other process uses. */
export const hiddenPath = (path: string): string => `${path}.${randomBytes(4).toString('hex')}`;

/**
 * Gives the socket `hidden`, which is listened on, the name `path`, and takes it over from a process that has ended.
 * FILE_FAILED: a running program serves it, or something else has that name.
 *
 * link(2) fails when the name is taken, so one of several processes gets a free name. A socket that is left over is
 * claimed before it is removed: by a link to it, named by its inode, which again only one process can make.
 */
export async function placeSocket(hidden: string, path: string): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    try {
      linkSync(hidden, path);
      return unlinkSync(hidden);
    } catch (cause) {
      if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cannot(path, cause);
    }
    const stale = lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (!stale) continue;
    const context = { path };
    if (!stale.isSocket()) {
      const message = `The control socket cannot be ${path}: there is something else with that name. Choose another path.`;
      throw new BridgeError('FILE_FAILED', message, { context });
    }
    if (await isServed(path)) {
      const message = `A running program serves the control socket ${path}. Stop it, or choose another path.`;
      throw new BridgeError('FILE_FAILED', message, { context });
    }
    if (!removeStale(path, stale)) await pause(BETWEEN_MS);
  }
  throw cannot(path, new Error('other programs take the name again and again'));
}

/** Removes that very socket. false: try again later. The claim of a process that ended between these steps is removed after a while. */
function removeStale(path: string, stale: { readonly ino: bigint; readonly mtimeNs: bigint }): boolean {
  const claim = `${path}.${stale.ino.toString(36)}`;
  try {
    linkSync(path, claim);
  } catch {
    // Gone, or being removed by another process.
    const other = lstatSync(claim, { throwIfNoEntry: false });
    if (other && Date.now() - other.ctimeMs > CLAIM_MS) unlinkSync(claim);
    return false;
  }
  const { ino, mtimeNs } = lstatSync(claim, { bigint: true });
  if (ino === stale.ino && mtimeNs === stale.mtimeNs) unlinkSync(path);
  unlinkSync(claim);
  return true;
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const decide = (served: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(served);
    };
    // Silent but there: its program is too busy to accept.
    const timer = setTimeout(() => decide(true), PROBE_MS);
    socket.once('connect', () => decide(true));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // What is not known to be dead is not taken from its owner.
      decide(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

/** FILE_FAILED: there is no socket at that path, and why. */
export function cannot(path: string, cause: unknown): BridgeError {
  const { code, message } = cause as NodeJS.ErrnoException;
  const folder = dirname(path);
  // A missing folder is EACCES in libuv's words.
  const reason = !existsSync(folder)
    ? `the folder ${folder} does not exist. Make it, or choose another path.`
    : !statSync(folder).isDirectory()
      ? `${folder} is no folder. Choose another path.`
      : code === 'EACCES'
        ? `there is no permission to write to ${folder}. Choose another path.`
        : `${message}. Choose another path.`;
  const text = `The control socket ${path} cannot be made: ${reason}`;
  return new BridgeError('FILE_FAILED', text, { cause, context: { path } });
}
