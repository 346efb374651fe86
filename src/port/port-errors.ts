import { readFile, readlink, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { BridgeError, type ErrorCode } from '../errors.js';
import type { LineKind } from '../link/index.js';
import { describePort, listPorts } from './discovery.js';
import { findHolders, type Holder } from './holders.js';

/** Groups that Linux distributions give the serial ports to. */
const SERIAL_GROUPS = new Set(['dialout', 'uucp', 'plugdev', 'serial']);

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

/** The user may not open the port. `group`: the group the device belongs to, when known. */
export function portDenied(path: string, kind: LineKind, group?: string, cause?: unknown): BridgeError {
  const right = group !== undefined && SERIAL_GROUPS.has(group) ? group : 'dialout';
  const advice =
    kind === 'pty'
      ? 'It is a pseudo-terminal of another user: run both programs as the same user.'
      : process.platform === 'linux'
        ? `Serial ports belong to the group ${right}: run \`sudo usermod -aG ${right} $USER\`, then log out and in again.`
        : 'Another program may have it open, or the system asks for permission.';
  return failure(
    'PORT_DENIED',
    path,
    `No permission to open ${path}. ${advice}`,
    cause,
    group ? { group } : {},
  );
}

/** Another program has the port. */
export function portBusy(path: string, holders: readonly Holder[], cause?: unknown): BridgeError {
  const names = holders.map((one) =>
    one.pid === process.pid ? `this process (${one.pid})` : `${one.name} (process ${one.pid})`,
  );
  const who = names.length > 0 ? `It is open in ${names.join(', ')}.` : 'Another program has it open.';
  let advice = 'Close OpenMV IDE and other programs that use it.';
  if (holders.some((one) => one.name === 'ModemManager')) {
    advice =
      'ModemManager takes it for a modem: install the udev rule in tools/udev (it sets ID_MM_DEVICE_IGNORE), or stop it with `sudo systemctl stop ModemManager`.';
  } else if (process.platform === 'linux') {
    advice +=
      ' ModemManager also takes new ports for some seconds; the udev rule in tools/udev keeps it away.';
  }
  return failure('PORT_BUSY', path, `The port ${path} is busy. ${who} ${advice}`, cause, { holders });
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

async function groupOf(device: string): Promise<string | undefined> {
  try {
    const [{ gid }, groups] = await Promise.all([stat(device), readFile('/etc/group', 'utf8')]);
    const line = groups.split('\n').find((one) => one.split(':')[2] === String(gid));
    return line?.split(':')[0];
  } catch {
    return undefined;
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
      return portDenied(path, kind, await groupOf(device), cause);
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
