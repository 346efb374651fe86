import { access, readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { boardOf } from './boards.js';
import type { PortInfo, SystemRoots, UsbIdentity } from './port-info.js';

/** How far above a tty's interface its USB device may be: ttyACM is one up, ttyUSB two. */
const LEVELS_UP = 4;

/** The 8250 driver lists every port a PC could have; those without hardware have this type. */
const TYPE_NO_HARDWARE = '0';

/**
 * The text of a one-line attribute, `undefined` when it is missing or empty. The length is bounded because it
 * comes from the device.
 */
async function attribute(...parts: string[]): Promise<string | undefined> {
  try {
    return (await readFile(join(...parts), 'utf8')).trim().slice(0, 256) || undefined;
  } catch {
    return undefined;
  }
}

async function entries(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}

/** The USB identity of the device behind the tty of that name, read from Linux's sysfs; `undefined` without one. */
export async function readUsbIdentity(ttyName: string, roots: SystemRoots): Promise<UsbIdentity | undefined> {
  let folder: string;
  try {
    folder = await realpath(join(roots.sysRoot, 'class', 'tty', ttyName, 'device'));
  } catch {
    return undefined;
  }
  for (let level = 0; level <= LEVELS_UP; level++, folder = dirname(folder)) {
    const [vendor, product] = [await attribute(folder, 'idVendor'), await attribute(folder, 'idProduct')];
    if (vendor === undefined || product === undefined) continue;
    const [usbVendorId, usbProductId] = [Number.parseInt(vendor, 16), Number.parseInt(product, 16)];
    if (!Number.isInteger(usbVendorId) || !Number.isInteger(usbProductId)) return undefined;
    const [serialNumber, manufacturer] = [
      await attribute(folder, 'serial'),
      await attribute(folder, 'manufacturer'),
    ];
    return {
      usbVendorId,
      usbProductId,
      ...(serialNumber === undefined ? {} : { serialNumber }),
      ...(manufacturer === undefined ? {} : { manufacturer }),
    };
  }
  return undefined;
}

/** Device path to its name under `/dev/serial/by-id`. */
async function namesById(roots: SystemRoots): Promise<Map<string, string>> {
  const folder = join(roots.devRoot, 'serial', 'by-id');
  const names = new Map<string, string>();
  for (const name of await entries(folder)) {
    try {
      names.set(await realpath(join(folder, name)), join(folder, name));
    } catch {
      // A link whose device has just gone.
    }
  }
  return names;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function hasHardware(ttyName: string, roots: SystemRoots): Promise<boolean> {
  const folder = join(roots.sysRoot, 'class', 'tty', ttyName);
  return (await exists(join(folder, 'device'))) && (await attribute(folder, 'type')) !== TYPE_NO_HARDWARE;
}

/** What a scan of Linux's sysfs finds. */
export interface SysfsScan {
  /** Ports that can be opened here. */
  readonly ports: readonly PortInfo[];
  /** Cameras the kernel knows of whose device node is missing here, as in a container. */
  readonly withoutNode: readonly PortInfo[];
}

/** Every tty with hardware behind it. */
export async function scanSysfs(roots: SystemRoots): Promise<SysfsScan> {
  const byId = await namesById(roots);
  const ports: PortInfo[] = [];
  const withoutNode: PortInfo[] = [];
  for (const name of await entries(join(roots.sysRoot, 'class', 'tty'))) {
    if (!(await hasHardware(name, roots))) continue;
    const path = join(roots.devRoot, basename(name));
    const identity = await readUsbIdentity(name, roots);
    const board = boardOf(identity?.usbVendorId, identity?.usbProductId);
    const stable = byId.get(await realpath(path).catch(() => path));
    const port: PortInfo = {
      path,
      ...(stable === undefined ? {} : { byId: stable }),
      ...(board === undefined ? {} : { board: board.name }),
      ...identity,
      isCamera: board !== undefined,
    };
    if (await exists(path)) ports.push(port);
    else if (port.isCamera) withoutNode.push(port);
  }
  return { ports, withoutNode };
}
