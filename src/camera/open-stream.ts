/** From a port's name to an open byte stream. */
import { asBridgeError } from '../errors.js';
import type { ByteStream } from '../link/index.js';
import type { CameraOptions } from '../options/index.js';
import { findCamera, openSerialPort, probeCamera } from '../port/index.js';

/** An open line to a camera. */
export interface OpenedStream {
  readonly stream: ByteStream;
  /** The port's path after `auto` was resolved. */
  readonly port: string;
}

/**
 * Opens the line to a camera and makes sure that a camera is at its other end. Ends in PORT_NOT_FOUND, PORT_DENIED,
 * PORT_BUSY, PORT_FAILED, NOT_A_CAMERA, FIRMWARE_TOO_OLD, CAMERA_SILENT, the virtual camera's own errors, or `signal.reason`.
 */
export async function openStream(options: CameraOptions, signal?: AbortSignal): Promise<OpenedStream> {
  if (options.port === 'virtual') return { stream: await openVirtual(options, signal), port: 'virtual' };
  const serialNumber = /^serial:(.+)$/.exec(options.port)?.[1];
  const named = options.port !== 'auto' && serialNumber === undefined;
  const port = named ? options.port : (await findCamera({ signal, serialNumber })).path;
  const stream = await openSerialPort({ path: port, baudrate: options.baudrate, signal });
  try {
    return { stream: await probeCamera(stream, { signal }), port };
  } catch (error) {
    await stream.close();
    throw error;
  }
}

/** A virtual camera that lives as long as its line: closing the line switches it off. */
async function openVirtual(options: CameraOptions, signal?: AbortSignal): Promise<ByteStream> {
  const { openVirtualCamera } = await import('../virtual/index.js');
  const camera = await openVirtualCamera(options.virtual, signal);
  try {
    // A log of captures that could not be written was reported as a warning when it happened.
    return closingWith(camera.connect(), () => camera.close().catch(() => undefined));
  } catch (error) {
    await camera.close();
    throw asBridgeError(error);
  }
}

/** The same line; what it comes from is closed with it. */
export function closingWith(line: ByteStream, close: () => Promise<void>): ByteStream {
  return {
    name: line.name,
    kind: line.kind,
    start: (handlers) => line.start(handlers),
    write: (bytes) => line.write(bytes),
    close: async () => {
      await line.close();
      await close();
    },
  };
}
