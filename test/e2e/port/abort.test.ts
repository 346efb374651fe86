import { execFileSync } from 'node:child_process';
import { getEventListeners } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { SerialPort } from 'serialport';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { findCamera, listPorts, openSerialPort, probeCamera } from '../../../src/port/index.js';
import { makePty } from '../../../src/virtual/line/pty-device.js';
import { FakeStream, openTtys } from './helpers.js';

/** Opening of ttys waits for this, as a driver that hangs would. */
const gate = vi.hoisted(() => ({ held: undefined as Promise<void> | undefined }));

vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  type Done = (error: NodeJS.ErrnoException | null, fd: number) => void;
  const open = (path: string, flags: number, done: Done): void => {
    void Promise.resolve(path.startsWith('/dev/pts') ? gate.held : undefined).then(() =>
      fs.open(path, flags, done),
    );
  };
  return { ...fs, open };
});

const REASON = new Error('the state was left');
let controller: AbortController;
let signal: AbortSignal;
let before: string[];

beforeEach(() => {
  controller = new AbortController();
  signal = controller.signal;
  before = openTtys();
});

afterEach(() => {
  gate.held = undefined;
  vi.useRealTimers();
  vi.restoreAllMocks();
});

function hold(): { held: Promise<void>; release: () => void } {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  return { held, release };
}

/** The promise rejects with the signal's reason soon after it was aborted; no listener is left on the signal. */
async function rejectsSoon(promise: Promise<unknown>, aborted = performance.now()): Promise<void> {
  await expect(promise).rejects.toBe(REASON);
  // The promise is 100 ms; a busy machine gets seconds.
  expect(performance.now() - aborted).toBeLessThan(3_000);
  expect(getEventListeners(signal, 'abort')).toHaveLength(0);
}

describe('aborted, a lookup of ports', () => {
  it.each([
    ['listPorts', listPorts],
    ['findCamera', findCamera],
  ])('%s ends although the system does not answer', async (_name, look) => {
    const root = mkdtempSync(join(tmpdir(), 'hung-'));
    const tty = join(root, 'class/tty/ttyACM0');
    mkdirSync(join(tty, 'device'), { recursive: true });
    // Nothing writes to this attribute: opening it for reading blocks in open(2).
    execFileSync('mkfifo', [join(tty, 'type')]);
    const looking = look({ sysRoot: root, devRoot: root, platform: 'linux', signal });
    await delay(30);
    controller.abort(REASON);
    await rejectsSoon(looking);
    closeSync(openSync(join(tty, 'type'), 'r+'));
    await delay(20);
    rmSync(root, { recursive: true });
  });

  it('does not begin', async () => {
    controller.abort(REASON);
    await rejectsSoon(listPorts({ signal }));
    await rejectsSoon(findCamera({ signal }));
  });
});

describe('aborted, an opening', () => {
  it('does not begin', async () => {
    controller.abort(REASON);
    await rejectsSoon(openSerialPort({ path: '/dev/ttyACM99', signal }));
  });

  it('ends while open(2) hangs, and closes what that opens later', async () => {
    const pty = makePty();
    const hang = hold();
    gate.held = hang.held;
    const opening = openSerialPort({ path: pty.slavePath, signal });
    await delay(30);
    controller.abort(REASON);
    await rejectsSoon(opening);
    hang.release();
    await delay(50);
    expect(openTtys()).not.toContain(pty.slavePath);
    closeSync(pty.fd);
    expect(openTtys()).toEqual(before);
  });

  it('ends while the port is configured, and leaves the port free', async () => {
    const pty = makePty();
    const hang = hold();
    const open = SerialPort.prototype.open;
    vi.spyOn(SerialPort.prototype, 'open').mockImplementation(function (this: SerialPort, done) {
      void hang.held.then(() => open.call(this, done));
    });
    const opening = openSerialPort({ path: pty.slavePath, signal });
    await delay(30);
    controller.abort(REASON);
    await rejectsSoon(opening);
    hang.release();
    await expect.poll(() => openTtys().filter((name) => name === pty.slavePath)).toEqual([]);
    await (await openSerialPort({ path: pty.slavePath })).close();
    closeSync(pty.fd);
    expect(openTtys()).toEqual(before);
  });

  it('ends at any moment, and leaves nothing open', async () => {
    const pty = makePty();
    for (let round = 0; round < 60; round++) {
      controller = new AbortController();
      signal = controller.signal;
      const opening = openSerialPort({ path: pty.slavePath, signal });
      // Steps of an opening are turns of the event loop.
      for (let turn = 0; turn < round % 20; turn++) await new Promise(setImmediate);
      controller.abort(REASON);
      const stream = await opening.catch((error: unknown) => {
        expect(error).toBe(REASON);
        return undefined;
      });
      await stream?.close();
      expect(getEventListeners(signal, 'abort')).toHaveLength(0);
      // What was freed can be opened again at once.
      await expect.poll(() => openTtys().filter((name) => name === pty.slavePath)).toEqual([]);
    }
    closeSync(pty.fd);
    expect(openTtys()).toEqual(before);
  });

  it('is not disturbed by an abort after it has ended', async () => {
    const pty = makePty();
    const stream = await openSerialPort({ path: pty.slavePath, signal });
    controller.abort(REASON);
    stream.write(Buffer.from('still open'));
    await stream.close();
    closeSync(pty.fd);
    expect(openTtys()).toEqual(before);
  });
});

describe('aborted, a probe', () => {
  it.each([5, 200, 500])('of a silent port ends after %i ms, with the port closed', async (ms) => {
    const pty = makePty();
    const probing = probeCamera(await openSerialPort({ path: pty.slavePath }), { signal });
    probing.catch(() => {});
    await delay(ms);
    controller.abort(REASON);
    await rejectsSoon(probing);
    closeSync(pty.fd);
    await expect.poll(openTtys).toEqual(before);
  });

  it('leaves no timer', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const line = new FakeStream();
    const probing = probeCamera(line, { signal });
    probing.catch(() => {});
    await vi.advanceTimersByTimeAsync(150);
    expect(vi.getTimerCount()).toBe(1);
    controller.abort(REASON);
    await rejectsSoon(probing);
    expect([vi.getTimerCount(), line.closes]).toEqual([0, 1]);
  });

  it('does not wait for a line that takes long to close', async () => {
    const line = new FakeStream();
    line.close = () => new Promise(() => {});
    const probing = probeCamera(line, { signal });
    controller.abort(REASON);
    await rejectsSoon(probing);
  });

  it('before it began sends nothing', async () => {
    const line = new FakeStream();
    controller.abort(REASON);
    await rejectsSoon(probeCamera(line, { signal }));
    expect([line.written.length, line.closes]).toEqual([0, 1]);
  });
});
