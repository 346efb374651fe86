/** Gives a virtual camera a pseudo-terminal, so that any host program can open it like a camera's serial port. */
import type { ByteStream } from '../../link/index.js';
import type { VirtualCamera } from '../virtual-camera.js';

/** The camera's end of a pseudo-terminal; `openPty` makes one. */
export interface PtyEnd {
  /** Whether some program has the other end open. */
  readonly hostPresent: boolean;
  /** Bytes from the host, valid only during the call. Answers a function that ends the calls. */
  onData(callback: (bytes: Uint8Array) => void): () => void;
  /** A host has come or gone. Answers a function that ends the calls. */
  onHost(callback: (present: boolean) => void): () => void;
  /** Bytes to the host, valid only during the call; bounding what waits is the pty's affair. */
  write(bytes: Uint8Array): unknown;
}

/** How long a host that stays has to wait for a camera that has reset itself. */
const RECONNECT_MS = 50;

/**
 * Connects the camera for as long as a host has the pty open. Returns a function that ends it, as aborting `signal`
 * does: the camera is disconnected, the pty and the camera stay open.
 */
export function serveVirtualCamera(camera: VirtualCamera, pty: PtyEnd, signal?: AbortSignal): () => void {
  let line: ByteStream | undefined;
  let present = false;
  let stopped = false;
  let retry: NodeJS.Timeout | undefined;

  const connect = (): void => {
    retry = undefined;
    if (stopped || !present || line) return;
    let stream: ByteStream;
    try {
      stream = camera.connect();
    } catch {
      // Another host is connected in process, or the camera is off: this one hears nothing, as from a dead port.
      retry = setTimeout(connect, RECONNECT_MS);
      return;
    }
    line = stream;
    stream.start({
      data: (bytes) => {
        pty.write(bytes);
      },
      closed: () => {
        if (line === stream) line = undefined;
        // A pty cannot vanish and come back as a USB port does: the host that has it open keeps it.
        if (present && !stopped && !retry) retry = setTimeout(connect, RECONNECT_MS);
      },
    });
  };

  const disconnect = (): void => {
    clearTimeout(retry);
    retry = undefined;
    const stream = line;
    line = undefined;
    void stream?.close();
  };

  const setPresent = (now: boolean): void => {
    if (now === present) return;
    present = now;
    if (now) connect();
    else disconnect();
  };

  if (signal?.aborted) return () => {};
  const stopData = pty.onData((bytes) => line?.write(bytes));
  const stopHost = pty.onHost(setPresent);
  setPresent(pty.hostPresent);

  const stop = (): void => {
    stopped = true;
    signal?.removeEventListener('abort', stop);
    stopData();
    stopHost();
    disconnect();
  };
  signal?.addEventListener('abort', stop, { once: true });
  return stop;
}
