import { lstatSync, readlinkSync, unlinkSync } from 'node:fs';
import { lstat, readlink, rename, stat, symlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BridgeError } from '../../errors.js';
import { writeProblem } from '../../files.js';
import { findPtyOwner } from '../../port/index.js';

/** Links of this process, removed when it ends without closing them. */
const ours = new Map<string, string>();
let watchingExit = false;

function invalid(linkPath: string, reason: string, cause?: unknown): BridgeError {
  return new BridgeError('OPTION_INVALID', `The link ${linkPath} cannot be made: ${reason}`, {
    context: { path: linkPath },
    cause,
  });
}

/** Throws unless the link may be replaced: its target is gone, is our own pty or a later one. */
async function mayReplace(linkPath: string, target: string, slavePath: string): Promise<void> {
  if (target === slavePath) return;
  const slave = await stat(target).catch(() => undefined);
  if (slave === undefined) return;
  const index = /^\/dev\/pts\/(\d+)$/.exec(target)?.[1];
  if (index === undefined) {
    throw invalid(linkPath, `it exists and points to ${target}. Choose another name or remove it.`);
  }
  // A pty that is younger than the link has only inherited the number of the one that the link was made for. Reading
  // and writing leave the change time as it was then.
  if (slave.ctimeMs > (await lstat(linkPath)).ctimeMs) return;
  const owner = await findPtyOwner(Number(index));
  const who = owner ? `${owner.name} (process ${owner.pid})` : 'another program';
  throw new BridgeError(
    'PORT_BUSY',
    `The link ${linkPath} belongs to ${who}, which serves ${target}. Stop it, choose another name, or remove the ` +
      `link if it is left over: rm ${linkPath}`,
    { context: { path: linkPath, target, owner } },
  );
}

/**
 * Makes `linkPath` point to a pty's slave. Replaces a link that an ended process left behind.
 *
 * Throws `OPTION_INVALID` when the path cannot be a link (something else is there, no such folder) and `PORT_BUSY`
 * when it is a living process's link.
 */
export async function placeLink(linkPath: string, slavePath: string): Promise<string> {
  const path = resolve(linkPath);
  const found = await lstat(path).catch(() => undefined);
  if (found && !found.isSymbolicLink()) {
    throw invalid(path, 'a file or folder of that name exists. Choose another name or remove it.');
  }
  try {
    if (found) {
      await mayReplace(path, resolve(dirname(path), await readlink(path)), slavePath);
      const temporary = `${path}.${process.pid}.new`;
      await symlink(slavePath, temporary);
      await rename(temporary, path);
    } else {
      await symlink(slavePath, path);
    }
  } catch (error) {
    if (error instanceof BridgeError) throw error;
    throw invalid(path, await writeProblem(path, error), error);
  }
  ours.set(path, slavePath);
  if (!watchingExit) process.on('exit', removeAll);
  watchingExit = true;
  return path;
}

/** Removes a link made by `placeLink`, unless it points elsewhere by now. */
export function removeLink(path: string): void {
  const slavePath = ours.get(path);
  ours.delete(path);
  try {
    if (lstatSync(path).isSymbolicLink() && readlinkSync(path) === slavePath) unlinkSync(path);
  } catch {
    // Another program has removed it.
  }
}

function removeAll(): void {
  for (const path of [...ours.keys()]) removeLink(path);
}
