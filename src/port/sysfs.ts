import { access, readdir, readFile, realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { boardOf } from './boards.js';
import type { PortInfo, SystemRoots, UsbIdentity } from './port-info.js';

/** How far above a tty's interface its USB device may be: ttyACM is one up, ttyUSB two. */
const LEVELS_UP = 4;

/** The 8250 driver lists every port a PC could have; those without hardware have this type. */
const TYPE_NO_HARDWARE = '0';

/** A one-line attribute; `undefined` when missing or empty. Its length is bounded: the text comes from the device. */
async function attribute(...parts: string[]): Promise<string | undefined> {
  const text = await readFile(join(...parts), 'utf8').catch(() => '');
  return text.trim().slice(0, 256) || undefined;
}

const entries = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** The USB identity of the device behind the tty of that name, read from Linux's sysfs; `undefined` without one. */
export async function readUsbIdentity(ttyName: string, roots: SystemRoots): Promise<UsbIdentity | undefined> {
  const device = join(roots.sysRoot, 'class', 'tty', ttyName, 'device');
  let folder = await realpath(device).catch(() => undefined);
  for (let level = 0; folder !== undefined && level <= LEVELS_UP; level++, folder = dirname(folder)) {
    const vendor = await attribute(folder, 'idVendor');
    const product = await attribute(folder, 'idProduct');
    if (vendor === undefined || product === undefined) continue;
    const [usbVendorId, usbProductId] = [Number.parseInt(vendor, 16), Number.parseInt(product, 16)];
    if (!Number.isInteger(usbVendorId) || !Number.isInteger(usbProductId)) return undefined;
    return {
      usbVendorId,
      usbProductId,
      serialNumber: await attribute(folder, 'serial'),
      manufacturer: await attribute(folder, 'manufacturer'),
    };
  }
  return undefined;
}

/** Device path to its name under `/dev/serial/by-id`. */
async function namesById(roots: SystemRoots): Promise<Map<string, string>> {
  const folder = join(roots.devRoot, 'serial', 'by-id');
  const names = new Map<string, string>();
  for (const name of await entries(folder)) {
    // A link whose device has just gone has no real path.
    const device = await realpath(join(folder, name)).catch(() => undefined);
    if (device !== undefined) names.set(device, join(folder, name));
  }
  return names;
}

/** What a scan of Linux's sysfs finds. */
export interface SysfsScan {
  /** Ports that can be opened here. */
  readonly ports: readonly PortInfo[];
  /** Cameras the kernel knows of whose device node is missing here, as in a container. */
  readonly withoutNode: readonly PortInfo[];
}

/** Every tty with hardware behind it. */
export async function scanSysfs(roots: SystemRoots, signal?: AbortSignal): Promise<SysfsScan> {
  const byId = await namesById(roots);
  const ttys = join(roots.sysRoot, 'class', 'tty');
  const ports: PortInfo[] = [];
  const withoutNode: PortInfo[] = [];
  for (const name of await entries(ttys)) {
    signal?.throwIfAborted();
    if (!(await exists(join(ttys, name, 'device')))) continue;
    if ((await attribute(ttys, name, 'type')) === TYPE_NO_HARDWARE) continue;
    const path = join(roots.devRoot, basename(name));
    const identity = await readUsbIdentity(name, roots);
    const board = boardOf(identity?.usbVendorId, identity?.usbProductId)?.name;
    const device = await realpath(path).catch(() => path);
    const port: PortInfo = {
      path,
      byId: byId.get(device),
      board,
      ...identity,
      isCamera: board !== undefined,
    };
    if (await exists(path)) ports.push(port);
    else if (port.isCamera) withoutNode.push(port);
  }
  return { ports, withoutNode };
}
