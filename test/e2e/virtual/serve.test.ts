import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { openSerialPort } from '../../../src/port/index.js';
import { openPty, type PtyEnd, serveVirtualCamera } from '../../../src/virtual/index.js';
import { TestHost, until } from './host.js';
import { camera } from './setup.js';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A pty's end without a pty. */
class PtyStub implements PtyEnd {
  hostPresent = false;
  sent = 0;
  #data: ((bytes: Uint8Array) => void) | undefined;
  #host: ((present: boolean) => void) | undefined;

  onData(callback: (bytes: Uint8Array) => void): () => void {
    this.#data = callback;
    return () => {
      this.#data = undefined;
    };
  }

  onHost(callback: (present: boolean) => void): () => void {
    this.#host = callback;
    return () => {
      this.#host = undefined;
    };
  }

  write(bytes: Uint8Array): void {
    this.sent += bytes.length;
  }

  send(hex: string): void {
    this.#data?.(Buffer.from(hex, 'hex'));
  }

  come(present: boolean): void {
    this.hostPresent = present;
    this.#host?.(present);
  }
}

const SYNC = 'aad5000000000000b0ac';
const SYNC_ANSWER_SIZE = 10;

describe('a virtual camera on a pty', () => {
  it('is connected while a host is there', async () => {
    const made = await camera({ script: null });
    const pty = new PtyStub();
    const stop = serveVirtualCamera(made, pty);
    pty.send(SYNC);
    pty.come(true);
    // A camera that is still starting may miss the first one, as on a real line.
    await until('an answer', () => {
      pty.send(SYNC);
      return pty.sent >= SYNC_ANSWER_SIZE;
    });
    expect(() => made.connect()).toThrow(/Another host/);
    pty.come(false);
    const other = made.connect();
    await other.close();
    pty.come(true);
    // A camera that resets itself comes back on the same line.
    made.reset();
    const before = pty.sent;
    await until('an answer after the reset', () => {
      pty.send(SYNC);
      return pty.sent > before;
    });
    stop();
    await made.connect().close();
    pty.send(SYNC);
  });

  it('is disconnected when its signal is aborted', async () => {
    const made = await camera({ script: null });
    const pty = new PtyStub();
    pty.hostPresent = true;
    const abort = new AbortController();
    serveVirtualCamera(made, pty, abort.signal);
    expect(() => made.connect()).toThrow(/Another host/);
    abort.abort();
    await made.connect().close();
    serveVirtualCamera(made, pty, abort.signal);
    await made.connect().close();
  });

  it('serves a host program that opens the terminal', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pty-'));
    cleanups.push(() => rmSync(directory, { recursive: true }));
    const made = await camera({ fps: 'max' });
    const pty = await openPty(join(directory, 'camera'));
    cleanups.push(() => pty.close());
    cleanups.push(serveVirtualCamera(made, pty));
    for (const ack of [false, true]) {
      const stream = await openSerialPort({ path: join(directory, 'camera'), baudrate: 921_600 });
      const guest = await TestHost.connect(stream, { ack });
      const channel = await guest.channel('frame');
      for (let count = 0; count < 10; count++) {
        const jpeg = await guest.frame(channel);
        expect([jpeg[0], jpeg[1], jpeg.at(-2), jpeg.at(-1)]).toEqual([0xff, 0xd8, 0xff, 0xd9]);
      }
      await guest.close();
      await until('the host to be seen gone', () => !pty.hostPresent);
    }
  });
});
