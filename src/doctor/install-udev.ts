/** Puts the udev rule for cameras in its place, and has udev read it. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { BridgeError } from '../errors.js';
import { writeWhole } from '../files.js';
import { SERIAL_GROUPS, UDEV_FOLDERS, UDEV_RULE_FILE, udevRule } from '../port/index.js';
import { asRoot } from './check.js';

const run = promisify(execFile);

/** Where the rule goes. */
export const udevRulePath = (folder: string = UDEV_FOLDERS[0]): string => join(folder, UDEV_RULE_FILE);

/** The group of serial ports on this system. */
async function serialGroup(): Promise<string | undefined> {
  const text = await readFile('/etc/group', 'utf8').catch(() => '');
  const groups = new Set(text.split('\n').map((line) => line.split(':')[0]!));
  return [...SERIAL_GROUPS].find((group) => groups.has(group));
}

/**
 * Writes the rule; resolves to what udev said against reading it at once, or to undefined. FILE_FAILED: it cannot be
 * written; where only root may, the message has the command.
 */
export async function installUdevRule(folder?: string): Promise<string | undefined> {
  const path = udevRulePath(folder);
  try {
    await writeWhole('The udev rule cannot be written', path, Buffer.from(udevRule(await serialGroup())));
  } catch (cause) {
    const { code } = ((cause as BridgeError).cause ?? {}) as NodeJS.ErrnoException;
    if (process.geteuid?.() === 0 || (code !== 'EACCES' && code !== 'EPERM')) throw cause;
    const fix = asRoot('doctor', '--install-udev', '--yes');
    throw new BridgeError('FILE_FAILED', `Only root may write ${path}: run \`${fix}\`.`, {
      context: { path, fix },
      cause,
    });
  }
  try {
    await run('udevadm', ['control', '--reload']);
    // Ports that are plugged in get the group and the name, and USB devices the mark for ModemManager.
    await run('udevadm', ['trigger', '--subsystem-match=usb', '--subsystem-match=tty']);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}
