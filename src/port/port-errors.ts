import { constants } from 'node:fs';
import { access, readFile, readlink, realpath, stat } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, resolve } from 'node:path';
import { BridgeError, type ErrorCode } from '../errors.js';
import type { LineKind } from '../link/index.js';
import { describePort, listPorts } from './discovery.js';
import { findHolders, type Holder } from './holders.js';

/** Groups that Linux distributions give the serial ports to. */
export const SERIAL_GROUPS: ReadonlySet<string> = new Set(['dialout', 'uucp', 'plugdev', 'serial']);
/** The program that asks new serial ports whether they are modems, by its name in the list of processes. */
export const MODEM_MANAGER = 'ModemManager';

function failure(
  code: ErrorCode,
  path: string,
  message: string,
  cause?: unknown,
  more: object = {},
): BridgeError {
  return new BridgeError(code, message, { context: { path, ...more }, cause });
}

/** The port of that name does not exist; lists those that do. A link that leads nowhere: what it was made for. */
export async function portNotFound(path: string, cause?: unknown): Promise<BridgeError> {
  const link = await readlink(path).catch(() => undefined);
  if (link !== undefined) {
    const target = resolve(dirname(path), link);
    const message = target.startsWith('/dev/pts/')
      ? `${target}, a terminal that is gone: the program behind it (a virtual camera?) has ended. Start it again.`
      : `${target}, which does not exist. Plug the camera in, or name another port.`;
    return failure('PORT_NOT_FOUND', path, `The link ${path} leads to ${message}`, cause, { target });
  }
  const ports = await listPorts().catch(() => []);
  const others =
    ports.length > 0
      ? `Ports that exist: ${ports.map(describePort).join('; ')}.`
      : 'There is no serial port at all: check the cable, or use the port "virtual", which needs no camera.';
  return failure('PORT_NOT_FOUND', path, `There is no port ${path}. ${others}`, cause);
}

/** What the permissions of a device say of this user. */
export interface Access {
  /** The group that it belongs to; undefined: not known. */
  readonly group?: string | undefined;
  /** `listed`: this user is in that group, but this process began before; `member`: it is, and may not open it all the same. */
  readonly membership?: 'none' | 'listed' | 'member';
}

/** The user may not open the port. */
export function portDenied(path: string, kind: LineKind, access: Access = {}, cause?: unknown): BridgeError {
  const { group, membership = 'none' } = access;
  const right = group !== undefined && SERIAL_GROUPS.has(group) ? group : 'dialout';
  const [advice, fix] = deniedAdvice(path, kind, right, right === group ? membership : 'none');
  const context = { ...(group === undefined ? {} : { group }), ...(fix === undefined ? {} : { fix }) };
  return failure('PORT_DENIED', path, `No permission to open ${path}. ${advice}`, cause, context);
}

/** What to do about it, in words and as a command. */
function deniedAdvice(
  path: string,
  kind: LineKind,
  group: string,
  membership: Access['membership'],
): readonly [words: string, command?: string] {
  if (kind === 'pty') return ['It is a pseudo-terminal of another user: run both programs as the same user.'];
  if (process.platform !== 'linux') {
    return ['Another program may have it open, or the system asks for permission.'];
  }
  if (membership === 'listed') {
    return [
      `This user was added to the group ${group} after this session began: log out and in again.`,
      `newgrp ${group}`,
    ];
  }
  if (membership === 'member') {
    const command = `sudo chmod 660 ${path}`;
    return [`The group ${group}, which this user is in, may not open it: run \`${command}\`.`, command];
  }
  const command = `sudo usermod -aG ${group} $USER`;
  return [
    `Serial ports belong to the group ${group}: run \`${command}\`, then log out and in again.`,
    command,
  ];
}

/** Another program has the port. */
export function portBusy(path: string, holders: readonly Holder[], cause?: unknown): BridgeError {
  const names = holders.map((one) =>
    one.pid === process.pid ? `this process (${one.pid})` : `${one.name} (process ${one.pid})`,
  );
  const who = names.length > 0 ? `It is open in ${names.join(', ')}.` : 'Another program has it open.';
  let advice = 'Close OpenMV IDE and other programs that use it.';
  const others = holders.filter((one) => one.pid !== process.pid);
  let fix = others.length > 0 ? `kill ${others.map(({ pid }) => pid).join(' ')}` : `sudo fuser -v ${path}`;
  if (holders.some((one) => one.name === MODEM_MANAGER)) {
    fix = `sudo systemctl stop ${MODEM_MANAGER}`;
    advice = `${MODEM_MANAGER} takes it for a modem: install the udev rule in tools/udev (it sets ID_MM_DEVICE_IGNORE), or stop it with \`${fix}\`.`;
  } else if (process.platform === 'linux') {
    advice += ` ${MODEM_MANAGER} also takes new ports for some seconds; the udev rule in tools/udev keeps it away.`;
  }
  return failure('PORT_BUSY', path, `The port ${path} is busy. ${who} ${advice}`, cause, { holders, fix });
}

/** The path is something else than a serial port. `what`: `a folder`, `a file`, ... */
export function notASerialPort(path: string, what: string): BridgeError {
  return failure('PORT_FAILED', path, `${path} is ${what}, not a serial port. Choose another port.`);
}

/** The line broke while it was open. */
export function portHungUp(name: string, cause?: unknown): BridgeError {
  const message = `The line to ${name} broke: the camera was unplugged, reset or switched off. Plug it in again.`;
  return failure('PORT_CLOSED', name, message, cause);
}

/** The peer does not take what is sent to it. */
export function portStuck(name: string, limit: number): BridgeError {
  const message = `The camera on ${name} reads nothing: ${limit} bytes wait for it, and more would not fit. Reset the camera.`;
  return failure('PORT_FAILED', name, message, undefined, { limit });
}

/** A write failed although the device is there. */
export function writingFailed(name: string, cause: Error): BridgeError {
  return failure(
    'PORT_FAILED',
    name,
    `Writing to ${name} failed: ${cause.message}. Reset the camera.`,
    cause,
  );
}

async function accessTo(device: string): Promise<Access> {
  try {
    const [{ gid }, groups] = await Promise.all([stat(device), readFile('/etc/group', 'utf8')]);
    const [group, , , members] =
      groups
        .split('\n')
        .map((line) => line.split(':'))
        .find((fields) => fields[2] === String(gid)) ?? [];
    if (process.getgroups?.().includes(gid) || process.getegid?.() === gid)
      return { group, membership: 'member' };
    const listed = members?.split(',').includes(userInfo().username);
    return { group, membership: listed ? 'listed' : 'none' };
  } catch {
    return {};
  }
}

/** Words that `serialport` puts into an opening error instead of an error code, and what they mean. */
const OPENING_TEXTS: readonly (readonly [RegExp, string])[] = [
  [/no such file|file not found|unknown error code (2|3|1167)$/i, 'ENOENT'],
  // Windows opens a serial port for one program at a time and calls the second one's error "Access denied".
  [/cannot lock port|resource busy|access denied|unknown error code 32$/i, 'EBUSY'],
  [/permission denied/i, 'EACCES'],
  [/inappropriate ioctl/i, 'ENOTTY'],
];

/**
 * What would keep this user from opening a port, found without opening it: some devices restart when they are opened.
 * Undefined: nothing is known to.
 */
export async function portObstacle(path: string): Promise<BridgeError | undefined> {
  const device = await realpath(path).catch(() => path);
  try {
    await access(device, constants.R_OK | constants.W_OK);
  } catch (cause) {
    return openingFailed(path, device, 'uart', cause);
  }
  const holders = await findHolders(device);
  return holders.length > 0 ? portBusy(path, holders) : undefined;
}

/** The error of an attempt to open `path`, which leads to `device`. */
export async function openingFailed(
  path: string,
  device: string,
  kind: LineKind,
  cause: unknown,
): Promise<BridgeError> {
  if (cause instanceof BridgeError) return cause;
  const error = cause as NodeJS.ErrnoException;
  const code = error.code ?? OPENING_TEXTS.find(([text]) => text.test(error.message))?.[1];
  switch (code) {
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return portNotFound(path, cause);
    case 'EACCES':
    case 'EPERM':
      return portDenied(path, kind, await accessTo(device), cause);
    case 'EBUSY':
      return portBusy(path, await findHolders(device), cause);
    case 'ENOTTY':
      return notASerialPort(path, 'a device without a serial line');
    default: {
      const message = `The port ${path} cannot be opened: ${error.message}. Unplug the camera and plug it in again.`;
      return failure('PORT_FAILED', path, message, cause);
    }
  }
}
