import { SerialPort } from 'serialport';
import { BridgeError } from '../errors.js';
import { boardOf, usbIdText } from './boards.js';
import { type PortInfo, SYSTEM_ROOTS, type SystemRoots } from './port-info.js';
import { type SysfsScan, scanSysfs } from './sysfs.js';

export interface DiscoveryOptions extends Partial<SystemRoots> {
  /** Tests read a made-up sysfs on any system. */
  readonly platform?: NodeJS.Platform;
}

function hexadecimal(text: string | undefined): number | undefined {
  const value = Number.parseInt(text ?? '', 16);
  return Number.isInteger(value) ? value : undefined;
}

/** macOS and Windows: the `serialport` package asks the system. */
async function scanWithSerialport(): Promise<SysfsScan> {
  const found = await SerialPort.list();
  const ports = found.map((one): PortInfo => {
    const [usbVendorId, usbProductId] = [hexadecimal(one.vendorId), hexadecimal(one.productId)];
    const board = boardOf(usbVendorId, usbProductId);
    return {
      // A macOS "tty" device waits for a carrier; its "cu" twin does not.
      path: one.path.replace(/^\/dev\/tty\./, '/dev/cu.'),
      ...(board === undefined ? {} : { board: board.name }),
      ...(usbVendorId === undefined ? {} : { usbVendorId }),
      ...(usbProductId === undefined ? {} : { usbProductId }),
      ...(one.serialNumber === undefined ? {} : { serialNumber: one.serialNumber }),
      ...(one.manufacturer === undefined ? {} : { manufacturer: one.manufacturer }),
      isCamera: board !== undefined,
    };
  });
  return { ports, withoutNode: [] };
}

/** On Linux sysfs is read directly: the `udevadm` that `serialport` would run is missing in containers. */
function scan(options: DiscoveryOptions): Promise<SysfsScan> {
  const roots = {
    sysRoot: options.sysRoot ?? SYSTEM_ROOTS.sysRoot,
    devRoot: options.devRoot ?? SYSTEM_ROOTS.devRoot,
  };
  return (options.platform ?? process.platform) === 'linux' ? scanSysfs(roots) : scanWithSerialport();
}

/** Every serial port of this machine, cameras or not, ordered by path. */
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
      `Name the port with --port if it is a serial adapter, or try without a camera: --port virtual.${others}`,
    { context: { ports: ports.map((port) => port.path) } },
  );
}

/**
 * The only camera of this machine.
 *
 * Throws `PORT_NOT_FOUND` when there is none, saying what to check, and `OPTION_INVALID` when there are several,
 * listing them so that one can be picked.
 */
export async function findCamera(options: DiscoveryOptions = {}): Promise<PortInfo> {
  const cameras = await listCameras(options);
  const [only, another] = cameras;
  if (!only) throw await noCamera(options);
  if (!another) return only;
  throw new BridgeError(
    'OPTION_INVALID',
    `${cameras.length} cameras found, name one with --port: ` +
      `${cameras.map((port) => describePort({ ...port, path: port.byId ?? port.path })).join('; ')}.`,
    { context: { ports: cameras.map((port) => port.byId ?? port.path) } },
  );
}
