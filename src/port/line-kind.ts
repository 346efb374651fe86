import { basename } from 'node:path';
import type { LineKind } from '../link/byte-stream.js';
import { boardOf } from './boards.js';
import { listPorts } from './discovery.js';
import { SYSTEM_ROOTS, type SystemRoots, type UsbIdentity } from './port-info.js';
import { readUsbIdentity } from './sysfs.js';

/** A name the operating systems give to USB's own serial class, and to nothing else. */
const USB_NAME = /^(ttyACM\d+|(tty|cu)\.usbmodem.*)$/;
const PTY_PATH = /^\/dev\/(pts\/\d+|ttys\d+)$/;

/**
 * What kind of line a device is, from its real path (links followed) and its USB identity where one is known.
 * A USB port that belongs to something else than a camera, a debug probe for example, has a wire with a UART
 * behind it, where bytes can be lost; so has every plain serial port.
 */
export function lineKind(
  device: string,
  identity?: Pick<UsbIdentity, 'usbVendorId' | 'usbProductId'>,
): LineKind {
  if (PTY_PATH.test(device)) return 'pty';
  if (identity) return boardOf(identity.usbVendorId, identity.usbProductId) ? 'usb' : 'uart';
  return USB_NAME.test(basename(device)) ? 'usb' : 'uart';
}

/** `lineKind` with the identity that this machine has for the device. */
export async function findLineKind(device: string, roots: SystemRoots = SYSTEM_ROOTS): Promise<LineKind> {
  if (PTY_PATH.test(device)) return 'pty';
  if (process.platform === 'linux') return lineKind(device, await readUsbIdentity(basename(device), roots));
  const ports = await listPorts().catch(() => []);
  const port = ports.find((one) => one.path.toLowerCase() === device.toLowerCase());
  if (port?.usbVendorId === undefined || port.usbProductId === undefined) return lineKind(device);
  return lineKind(device, { usbVendorId: port.usbVendorId, usbProductId: port.usbProductId });
}
