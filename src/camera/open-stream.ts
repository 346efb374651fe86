/** From a port's name to an open byte stream. */
import { BridgeError } from '../errors.js';
import type { ByteStream } from '../link/index.js';
import { findCamera, openSerialPort, probeCamera } from '../port/index.js';
import type { CameraOptions } from './options.js';

/** An open line, and how to free what stands behind it beyond the line itself. */
export interface OpenedStream {
  readonly stream: ByteStream;
  /** The port's path after `auto` was resolved. */
  readonly port: string;
}

/**
 * Opens the line to a camera and makes sure that a camera is at its other end. Ends in PORT_NOT_FOUND,
 * PORT_DENIED, PORT_BUSY, PORT_FAILED, NOT_A_CAMERA, CAMERA_SILENT, or the virtual camera's own errors.
 */
export async function openStream(options: CameraOptions): Promise<OpenedStream> {
  if (options.port === 'virtual') return { stream: await openVirtual(options), port: 'virtual' };
  const port = options.port === 'auto' ? (await findCamera()).path : options.port;
  const stream = await openSerialPort({ path: port, baudrate: options.baudrate });
  try {
    return { stream: await probeCamera(stream), port };
  } catch (error) {
    await stream.close();
    throw error;
  }
}

/** A virtual camera that lives as long as its line: closing the line switches it off. */
async function openVirtual(options: CameraOptions): Promise<ByteStream> {
  const { openVirtualCamera } = await import('../virtual/index.js');
  const camera = await openVirtualCamera(options.virtual);
  try {
    const line = camera.connect();
    return {
      name: line.name,
      kind: line.kind,
      start: (handlers) => {
        line.start(handlers);
      },
      write: (bytes) => {
        line.write(bytes);
      },
      close: async () => {
        await line.close();
        // A ledger that could not be written: said as a warning when it happened, and no failure of the line.
        await camera.close().catch(() => undefined);
      },
    };
  } catch (error) {
    await camera.close();
    throw error instanceof BridgeError ? error : new BridgeError('INTERNAL', String(error), { cause: error });
  }
}
