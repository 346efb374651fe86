import { closeSync, constants, mkdtempSync, openSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openSerialPort } from '../../../src/port/index.js';
import { WRITE_LIMIT } from '../../../src/port/serialport-stream.js';
import { isExclusive, isUnlocked, makeExclusive, makeShared, setDtr } from '../../../src/port/tty-control.js';
import { openPty } from '../../../src/virtual/line/pty.js';
import { makePty } from '../../../src/virtual/line/pty-device.js';
import { failure, noise, openPair, openTtys, Recorder, until } from './helpers.js';

describe('a serial port over a pseudo-terminal', () => {
  it('carries every byte value unchanged in both directions', async () => {
    const { master, stream, fromHost, fromCamera } = await openPair();
    const all = Buffer.from(Array.from({ length: 256 }, (_, value) => value));
    stream.write(all);
    master.write(all);
    await until(() => fromHost.length >= 256 && fromCamera.length >= 256, 'both directions');
    expect(fromHost.bytes).toEqual(all);
    expect(fromCamera.bytes).toEqual(all);
    expect(stream.kind).toBe('pty');
    expect(stream.name).toBe(master.slavePath);
    await stream.close();
    await master.close();
  });

  it.each([1, 7, 64, 4096, 65_536, 1_000_000])(
    'carries a megabyte each way at the same time in writes of %i bytes',
    async (size) => {
      const { master, stream, fromHost, fromCamera } = await openPair();
      const total = size === 1 ? 30_000 : 1_000_000;
      const [up, down] = [noise(total, 1), noise(total, 2)];
      for (let at = 0; at < total; at += size) {
        // One buffer for all writes: the bytes belong to the caller again as soon as a write returns.
        const piece = Buffer.from(up.subarray(at, at + size));
        stream.write(piece);
        piece.fill(0);
        const answer = Buffer.from(down.subarray(at, at + size));
        expect(master.write(answer)).toBe(true);
        answer.fill(0);
        if (at % (64 * size) === 0) await until(() => fromHost.length + 500_000 > at, 'the camera keeps up');
      }
      await until(() => fromHost.length >= total && fromCamera.length >= total, 'all bytes');
      expect(fromHost.bytes.equals(up)).toBe(true);
      expect(fromCamera.bytes.equals(down)).toBe(true);
      await stream.close();
      await master.close();
    },
  );

  it('delivers first what came before start', async () => {
    const master = await openPty();
    const stream = await openSerialPort({ path: master.slavePath });
    await until(() => master.hostPresent, 'the host');
    master.write(Buffer.from('early'));
    await delay(30);
    const recorder = Recorder.on(stream);
    await until(() => recorder.length >= 5, 'the early bytes');
    expect(recorder.bytes.toString()).toBe('early');
    await stream.close();
    await master.close();
  });

  it('gives its last bytes out before it closes', async () => {
    const { master, stream, fromHost } = await openPair();
    const last = noise(60_000);
    stream.write(last);
    await stream.close();
    await until(() => fromHost.length >= last.length, 'the last bytes');
    expect(fromHost.bytes.equals(last)).toBe(true);
    await master.close();
  });

  it('opens through a link and keeps the name it was opened by', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'port-'));
    const master = await openPty();
    const link = join(folder, 'camera');
    symlinkSync(master.slavePath, link);
    const stream = await openSerialPort({ path: link });
    expect([stream.name, stream.kind]).toEqual([link, 'pty']);
    await stream.close();
    await master.close();
    rmSync(folder, { recursive: true });
  });

  it('closes once, however often it is asked to, and reports nothing afterwards', async () => {
    const { master, stream, fromHost, fromCamera } = await openPair();
    await Promise.all([stream.close(), stream.close()]);
    await stream.close();
    master.write(Buffer.from('too late'));
    stream.write(Buffer.from('too late'));
    await delay(30);
    expect(fromCamera.ends).toEqual([undefined]);
    expect(fromCamera.length + fromHost.length).toBe(0);
    await master.close();
  });

  it('reports the end to handlers that come after it', async () => {
    const master = await openPty();
    const stream = await openSerialPort({ path: master.slavePath });
    await stream.close();
    const recorder = Recorder.on(stream);
    await delay(1);
    expect(recorder.ends).toEqual([undefined]);
    await master.close();
  });

  it('frees every descriptor in 100 rounds of opening and closing', async () => {
    const before = openTtys();
    const master = await openPty();
    for (let round = 0; round < 100; round++) {
      const stream = await openSerialPort({ path: master.slavePath });
      if (round % 2 === 0) stream.start(new Recorder());
      await stream.close();
    }
    await until(() => !master.hostPresent, 'the last host has left');
    const fresh = await openSerialPort({ path: master.slavePath });
    await fresh.close();
    await master.close();
    expect(openTtys()).toEqual(before);
  });

  it('ends with PORT_FAILED, its memory bounded and the event loop free, when the camera does not read', async () => {
    const before = openTtys();
    // A master without anybody who reads from it.
    const silent = makePty();
    const stream = await openSerialPort({ path: silent.slavePath });
    const recorder = Recorder.on(stream);
    const piece = noise(65_536);
    let [sent, turns] = [0, 0];
    while (recorder.ends.length === 0 && sent < 4 * WRITE_LIMIT) {
      stream.write(piece);
      sent += piece.length;
      await delay(1);
      turns++;
    }
    expect(recorder.ends.map((error) => error?.code)).toEqual(['PORT_FAILED']);
    expect(recorder.ends[0]?.message).toContain('reads nothing');
    expect(sent).toBeGreaterThan(WRITE_LIMIT);
    expect(sent).toBeLessThan(WRITE_LIMIT + 3 * piece.length);
    expect(turns).toBe(sent / piece.length);
    await stream.close();
    closeSync(silent.fd);
    expect(openTtys()).toEqual(before);
  });

  it('closes although a camera does not take what was sent to it', async () => {
    const before = openTtys();
    const silent = makePty();
    const stream = await openSerialPort({ path: silent.slavePath });
    const recorder = Recorder.on(stream);
    stream.write(noise(100_000));
    await stream.close();
    expect(recorder.ends).toEqual([undefined]);
    closeSync(silent.fd);
    expect(openTtys()).toEqual(before);
  });

  it('refuses options that cannot be meant', async () => {
    await failure(openSerialPort({ path: '' }), 'OPTION_INVALID');
    await failure(openSerialPort({ path: '/dev/ttyACM0', baudrate: 0 }), 'OPTION_INVALID');
    await failure(openSerialPort({ path: '/dev/ttyACM0', baudrate: 1.5 }), 'OPTION_INVALID');
  });
});

describe('controls of a tty', () => {
  it('tells an exclusive and a locked tty from a free one, and a line without DTR', async () => {
    const master = await openPty();
    const fd = openSync(master.slavePath, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    expect([isExclusive(fd), isUnlocked(fd), setDtr(fd, true)]).toEqual([false, true, 'ENOTTY']);
    const stream = await openSerialPort({ path: master.slavePath });
    expect(isUnlocked(fd)).toBe(false);
    await stream.close();
    expect(isUnlocked(fd)).toBe(true);
    makeExclusive(fd);
    expect(isExclusive(fd)).toBe(true);
    makeShared(fd);
    expect(isExclusive(fd)).toBe(false);
    closeSync(fd);
    await master.close();
  });
});
