import { basename } from 'node:path';
import { abortable } from '../async.js';
import { BridgeError } from '../errors.js';
import type { LineKind } from '../link/index.js';
import { boardOf, usbIdText } from './boards.js';
import { type PortInfo, SYSTEM_ROOTS, type SystemRoots, type UsbIdentity } from './port-info.js';
import { readUsbIdentity, type SysfsScan, scanSysfs } from './sysfs.js';

export interface DiscoveryOptions extends Partial<SystemRoots> {
  /** Tests read a made-up sysfs on any system. */
  readonly platform?: NodeJS.Platform;
  readonly signal?: AbortSignal | undefined;
}

function hexadecimal(text: string | undefined): number | undefined {
  const value = Number.parseInt(text ?? '', 16);
  return Number.isInteger(value) ? value : undefined;
}

/** macOS and Windows: the `serialport` package asks the system. */
async function scanWithSerialport(): Promise<SysfsScan> {
  const { SerialPort } = await import('serialport');
  const ports = (await SerialPort.list()).map((one): PortInfo => {
    const [usbVendorId, usbProductId] = [hexadecimal(one.vendorId), hexadecimal(one.productId)];
    const board = boardOf(usbVendorId, usbProductId)?.name;
    return {
      // A macOS "tty" device waits for a carrier; its "cu" twin does not.
      path: one.path.replace(/^\/dev\/tty\./, '/dev/cu.'),
      board,
      ...(usbVendorId === undefined ? {} : { usbVendorId }),
      ...(usbProductId === undefined ? {} : { usbProductId }),
      serialNumber: one.serialNumber,
      manufacturer: one.manufacturer,
      isCamera: board !== undefined,
    };
  });
  return { ports, withoutNode: [] };
}

/** On Linux sysfs is read directly: the `udevadm` that `serialport` would run is missing in containers. */
function scan(options: DiscoveryOptions): Promise<SysfsScan> {
  const { platform = process.platform, signal, ...roots } = options;
  const scanning =
    platform === 'linux' ? scanSysfs({ ...SYSTEM_ROOTS, ...roots }, signal) : scanWithSerialport();
  return abortable(scanning, signal);
}

/** Every serial port of this machine, cameras or not, ordered by path. Rejects with `signal.reason` when aborted. */
export async function listPorts(options: DiscoveryOptions = {}): Promise<PortInfo[]> {
  const { ports } = await scan(options);
  return [...ports].sort((a, b) => a.path.localeCompare(b.path, 'en', { numeric: true }));
}

/** The ports whose USB identity is that of a board that runs OpenMV firmware, ordered by path. */
export async function listCameras(options: DiscoveryOptions = {}): Promise<PortInfo[]> {
  return (await listPorts(options)).filter((port) => port.isCamera);
}

/** One port in one line: `/dev/ttyACM0 (OpenMV Cam N6, 37c5:1206, serial 3144...)`. */
export function describePort(port: PortInfo): string {
  const facts: string[] = [];
  if (port.board !== undefined) facts.push(port.board);
  if (port.usbVendorId !== undefined && port.usbProductId !== undefined) {
    facts.push(usbIdText(port.usbVendorId, port.usbProductId));
  }
  if (port.serialNumber !== undefined) facts.push(`serial ${port.serialNumber}`);
  return facts.length > 0 ? `${port.path} (${facts.join(', ')})` : port.path;
}

async function noCamera(options: DiscoveryOptions): Promise<BridgeError> {
  const { ports, withoutNode } = await scan(options);
  const hidden = withoutNode[0];
  if (hidden) {
    return new BridgeError(
      'PORT_NOT_FOUND',
      `A camera is plugged in (${describePort(hidden)}), but ${hidden.path} does not exist here. ` +
        `In a container, pass the device in: docker run --device ${hidden.path} ...`,
      { context: { path: hidden.path } },
    );
  }
  const others =
    ports.length > 0 ? ` Serial ports that are not cameras: ${ports.map(describePort).join('; ')}.` : '';
  return new BridgeError(
    'PORT_NOT_FOUND',
    'No OpenMV camera found. Check that the USB cable carries data and not only power, that the camera is not ' +
      'in its bootloader, and on Linux that `lsusb` shows it (37c5:...) and udev made its /dev/ttyACM node. ' +
      `Name the port if it is a serial adapter. Without a camera, use the port "virtual".${others}`,
    { context: { ports: ports.map((port) => port.path) } },
  );
}

export interface FindOptions extends DiscoveryOptions {
  /** That of the camera that is meant; default: there is only one. */
  readonly serialNumber?: string | undefined;
}

/**
 * The only camera of this machine, or the one with a serial number.
 *
 * Rejects with `PORT_NOT_FOUND` when there is none, saying what to check, with `OPTION_INVALID` when there are
 * several, listing them so that one can be picked, and with `signal.reason` when aborted.
 */
export async function findCamera({ serialNumber, ...options }: FindOptions = {}): Promise<PortInfo> {
  const cameras = await listCameras(options);
  if (serialNumber !== undefined) {
    const camera = cameras.find((port) => port.serialNumber?.toLowerCase() === serialNumber.toLowerCase());
    if (camera) return camera;
    const there =
      cameras.length > 0 ? `There are: ${cameras.map(describePort).join('; ')}.` : 'No camera is plugged in.';
    throw new BridgeError('PORT_NOT_FOUND', `No camera has the serial number ${serialNumber}. ${there}`, {
      context: { serialNumber },
    });
  }
  const [only, another] = cameras;
  if (!only) throw await noCamera(options);
  if (!another) return only;
  const named = cameras.map((port) => ({ ...port, path: port.byId ?? port.path }));
  throw new BridgeError(
    'OPTION_INVALID',
    `${cameras.length} cameras found. Name the port of one: ${named.map(describePort).join('; ')}.`,
    { context: { ports: named.map((port) => port.path) } },
  );
}

/** A name the operating systems give to USB's own serial class, and to nothing else. */
const USB_NAME = /^(ttyACM\d+|(tty|cu)\.usbmodem.*)$/;
const PTY_PATH = /^\/dev\/(pts\/\d+|ttys\d+)$/;

/**
 * What kind of line a device is, from its real path (links followed) and its USB identity where one is known.
 * A USB port that belongs to something else than a camera, a debug probe for example, has a wire with a UART
 * behind it, where bytes can be lost; so has every plain serial port.
 */
export function lineKind(device: string, identity?: Partial<UsbIdentity>): LineKind {
  if (PTY_PATH.test(device)) return 'pty';
  if (identity?.usbVendorId === undefined) return USB_NAME.test(basename(device)) ? 'usb' : 'uart';
  return boardOf(identity.usbVendorId, identity.usbProductId) ? 'usb' : 'uart';
}

/** `lineKind` with the identity that this machine has for the device. */
export async function findLineKind(device: string, roots: SystemRoots = SYSTEM_ROOTS): Promise<LineKind> {
  if (PTY_PATH.test(device)) return 'pty';
  if (process.platform === 'linux') return lineKind(device, await readUsbIdentity(basename(device), roots));
  const ports = await listPorts().catch(() => []);
  return lineKind(
    device,
    ports.find((one) => one.path.toLowerCase() === device.toLowerCase()),
  );
}
