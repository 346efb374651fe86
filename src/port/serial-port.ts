import { close, constants, open } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { isatty } from 'node:tty';
import { promisify } from 'node:util';
import type { SerialPort } from 'serialport';
import { abortable, within } from '../async.js';
import { BridgeError } from '../errors.js';
import { hasLibc } from '../libc.js';
import type { ByteStream, LineKind } from '../link/index.js';
import { PROTOCOL_BAUDRATE } from '../protocol/index.js';
import { findLineKind } from './discovery.js';
import { notASerialPort, openingFailed } from './port-errors.js';
import { ABORT_GRACE_MS } from './probe.js';
import { closePort, openPort, SerialportStream } from './serialport-stream.js';
import { isExclusive, isUnlocked, setDtr } from './tty-control.js';
import { TtyStream } from './tty-stream.js';

export interface SerialPortOptions {
  /** `/dev/ttyACM0`, a link to it such as one under `/dev/serial/by-id`, a pseudo-terminal, `COM3`. */
  readonly path: string;
  /** Bits per second. The camera speaks the protocol at 921600 only, which is the default. */
  readonly baudrate?: number;
  readonly signal?: AbortSignal | undefined;
}

const openFile = promisify(open);
const closeFile = promisify(close);

function check(path: string, baudrate: number): void {
  if (path === '' || path.includes('\0')) {
    throw new BridgeError(
      'OPTION_INVALID',
      'The port has no name. Give a path such as /dev/ttyACM0 or COM3.',
    );
  }
  if (!Number.isInteger(baudrate) || baudrate < 50 || baudrate > 20_000_000) {
    throw new BridgeError('OPTION_INVALID', `${baudrate} is not a baud rate. The camera's is 921600.`, {
      context: { baudrate },
    });
  }
}

/**
 * A port configured for the camera and locked for this process. DTR falls when the last descriptor is closed
 * (HUPCL): the camera learns that its host has left.
 */
async function makePort(path: string, baudRate: number): Promise<SerialPort> {
  const { SerialPort } = await import('serialport');
  const port = new SerialPort({ path, baudRate, autoOpen: false, lock: true, hupcl: true });
  // Failures arrive through callbacks; an 'error' event without a listener would end the process.
  port.on('error', () => {});
  return port;
}

/** The device a path leads to, which must be a character device. */
async function resolveDevice(path: string): Promise<string> {
  const device = await realpath(path);
  const found = await stat(device);
  if (found.isCharacterDevice()) return device;
  throw notASerialPort(path, found.isDirectory() ? 'a folder' : found.isFile() ? 'a file' : 'not a device');
}

/**
 * The camera looks at the baud rate when DTR changes, some firmware versions only then, and the kernel raises DTR
 * with the first opening, before any rate is set. So DTR falls and rises once the rate is right; the fall also
 * makes the camera drop what it still had for an earlier host. A pty has no such line.
 *
 * `serialport`'s own `set` is of no use: it first clears a break condition, which USB serial ports of recent
 * Linux kernels refuse, and then stops (vendor firmware: protocol/omv_protocol_channel_tinyusb.c, _stmusb.c).
 */
function raiseDtr(fd: number, path: string, kind: LineKind): void {
  if (kind === 'pty') return;
  if (kind === 'usb') setDtr(fd, false);
  const failure = setDtr(fd, true);
  // An adapter without modem lines is fine: a UART has none either.
  if (failure === undefined || kind !== 'usb') return;
  const message = `DTR of ${path} cannot be set (${failure}): unplug the camera and retry.`;
  throw new BridgeError('PORT_FAILED', message, { context: { path } });
}

/** Linux and macOS. The first descriptor asks the questions that `serialport` does not, then serves the stream. */
async function openTty(
  path: string,
  device: string,
  kind: LineKind,
  baudrate: number,
  signal?: AbortSignal,
): Promise<ByteStream> {
  const port = await makePort(device, baudrate);
  signal?.throwIfAborted();
  const fd = await openFile(device, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  try {
    signal?.throwIfAborted();
    if (!isatty(fd)) throw notASerialPort(path, 'a device without a serial line');
    // `serialport` configures before it locks; a port in use must not be touched at all. The error is the kernel's
    // own: who has the port is looked up once this descriptor is closed.
    if (!isUnlocked(fd) || (kind !== 'pty' && isExclusive(fd))) {
      throw Object.assign(new Error('the port is locked by another program'), { code: 'EBUSY' });
    }
    await openPort(port);
    signal?.throwIfAborted();
    raiseDtr(fd, path, kind);
    return new TtyStream(path, kind, port, fd);
  } catch (error) {
    await closeFile(fd).catch(() => {});
    if (port.isOpen) await closePort(port);
    throw error;
  }
}

/** Windows, and where the C library cannot be reached: `serialport` reads and writes. */
async function openPlainPort(
  path: string,
  device: string,
  kind: LineKind,
  baudrate: number,
): Promise<ByteStream> {
  const port = await makePort(device, baudrate);
  await openPort(port);
  for (const dtr of [false, true]) {
    await new Promise<void>((resolve) => port.set({ dtr, rts: true }, () => resolve()));
  }
  return new SerialportStream(path, kind, port);
}

async function openAny(path: string, baudrate: number, signal?: AbortSignal): Promise<ByteStream> {
  let device = path;
  let kind: LineKind = 'uart';
  try {
    if (process.platform === 'win32') {
      kind = await findLineKind(path);
      return await openPlainPort(path, path, kind, baudrate);
    }
    device = await resolveDevice(path);
    kind = await findLineKind(device);
    if (!hasLibc()) return await openPlainPort(path, device, kind, baudrate);
    return await openTty(path, device, kind, baudrate, signal);
  } catch (cause) {
    signal?.throwIfAborted();
    throw await openingFailed(path, device, kind, cause);
  }
}

/**
 * Opens a serial port as a byte line to a camera: 8 data bits, no parity, one stop bit, no flow control, raw, DTR
 * high, locked against other programs. A pseudo-terminal works as well; rate and DTR mean nothing there.
 *
 * Rejects with `OPTION_INVALID`, `PORT_NOT_FOUND` (listing the ports that exist), `PORT_DENIED`, `PORT_BUSY` (naming
 * who has it, where the system tells) or `PORT_FAILED`; with `signal.reason` when aborted. A driver that hangs while
 * it opens the port cannot be stopped: what it opens after that is closed at once.
 */
export async function openSerialPort(options: SerialPortOptions): Promise<ByteStream> {
  const { path, baudrate = PROTOCOL_BAUDRATE, signal } = options;
  check(path, baudrate);
  signal?.throwIfAborted();
  const opening = openAny(path, baudrate, signal);
  try {
    return await abortable(opening, signal);
  } catch (error) {
    if (!signal?.aborted) throw error;
    const freed = opening.then((stream) => stream.close());
    await within(freed, ABORT_GRACE_MS, () => new Error('still opening')).catch(() => {});
    throw error;
  }
}
