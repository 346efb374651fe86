import { execFile, execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openPty } from '../../../src/virtual/line/pty.js';
import { cpuOver, noise, openTtys, Recorder, until } from '../port/helpers.js';

const run = promisify(execFile);
const FLAGS = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;

let before: string[] = [];

beforeEach(() => {
  before = openTtys();
});

afterEach(() => {
  expect(openTtys()).toEqual(before);
});

describe('a pty', () => {
  it('is raw for a program that sets nothing up: no echo, no translation', async () => {
    const master = await openPty();
    const fromHost = new Recorder();
    master.onData(fromHost.data);
    const fd = openSync(master.slavePath, FLAGS);
    const special = Buffer.from([3, 4, 10, 13, 17, 19, 26, 28, 127, 255, 0]);
    writeSync(fd, special);
    await until(() => fromHost.length >= special.length, 'the bytes');
    await delay(20);
    expect(fromHost.bytes).toEqual(special);
    master.write(special);
    const buffer = Buffer.alloc(64);
    expect(buffer.subarray(0, readSync(fd, buffer))).toEqual(special);
    closeSync(fd);
    await master.close();
  });

  it('tells when hosts come and go, 50 times', async () => {
    const master = await openPty();
    const seen: boolean[] = [];
    const received = new Recorder();
    master.onHost((present) => seen.push(present));
    master.onData(received.data);
    for (let cycle = 0; cycle < 50; cycle++) {
      const fd = openSync(master.slavePath, FLAGS);
      writeSync(fd, Buffer.from([cycle]));
      await until(() => master.hostPresent, `host ${cycle}`);
      closeSync(fd);
      await until(() => !master.hostPresent, `the end of host ${cycle}`);
    }
    expect(seen).toEqual(Array.from({ length: 100 }, (_, index) => index % 2 === 0));
    expect(received.bytes).toEqual(Buffer.from(Array.from({ length: 50 }, (_, cycle) => cycle)));
    await master.close();
  });

  it('receives what a host wrote that came and went between two looks', async () => {
    const master = await openPty();
    const seen: boolean[] = [];
    const received = new Recorder();
    master.onHost((present) => seen.push(present));
    master.onData(received.data);
    await delay(30);
    const fd = openSync(master.slavePath, FLAGS);
    writeSync(fd, 'short visit');
    closeSync(fd);
    await until(() => seen.length === 2, 'host came and went');
    expect([received.bytes.toString(), seen]).toEqual(['short visit', [true, false]]);
    await master.close();
  });

  it('discards what is written without a host and what a host did not read', async () => {
    const master = await openPty();
    expect(master.write(Buffer.from('no host hears this'))).toBe(true);
    for (let round = 0; round < 10; round++) {
      const deaf = openSync(master.slavePath, FLAGS);
      await until(() => master.hostPresent, 'the deaf host');
      master.write(noise(100_000));
      expect(master.queued).toBeGreaterThan(0);
      await delay(round);
      closeSync(deaf);
      await until(() => !master.hostPresent, 'the deaf host has left');
      expect(master.queued).toBe(0);
      const fd = openSync(master.slavePath, FLAGS);
      await until(() => master.hostPresent, 'the next host');
      master.write(Buffer.from('fresh'));
      const buffer = Buffer.alloc(200_000);
      expect(buffer.subarray(0, readSync(fd, buffer)).toString('hex', 0, 16)).toBe('6672657368');
      closeSync(fd);
      await until(() => !master.hostPresent, 'the next host has left');
    }
    await master.close();
  });

  it('is raw again for the next host when one left other settings behind', async () => {
    const master = await openPty();
    const received = new Recorder();
    master.onData(received.data);
    const holder = openSync(master.slavePath, FLAGS);
    execFileSync('stty', ['-F', master.slavePath, 'echo', 'icanon', 'icrnl']);
    await until(() => master.hostPresent, 'the first host');
    closeSync(holder);
    await until(() => !master.hostPresent, 'the first host has left');
    const fd = openSync(master.slavePath, FLAGS);
    writeSync(fd, 'x\r');
    await until(() => received.length >= 2, 'the bytes');
    await until(() => master.hostPresent, 'the second host');
    master.write(Buffer.from('y\r'));
    const buffer = Buffer.alloc(16);
    expect(buffer.toString('latin1', 0, readSync(fd, buffer))).toBe('y\r');
    await delay(20);
    expect(received.bytes.toString()).toBe('x\r');
    closeSync(fd);
    await master.close();
  });

  it('keeps a bounded queue for a host that does not read, and drops whole writes beyond it', async () => {
    const master = await openPty();
    const fd = openSync(master.slavePath, FLAGS);
    await until(() => master.hostPresent, 'the host');
    const piece = noise(1_000_000);
    let taken = 0;
    while (master.write(piece)) taken += piece.length;
    expect(taken).toBeGreaterThan(7_000_000);
    expect(taken).toBeLessThan(9_500_000);
    expect(master.queued).toBeLessThanOrEqual(8 * 1024 * 1024);
    // What was taken arrives whole, although later writes were dropped.
    const buffer = Buffer.alloc(65_536);
    let [read, equal] = [0, true];
    while (read < taken) {
      try {
        const count = readSync(fd, buffer);
        for (let at = 0; at < count; ) {
          const from = (read + at) % piece.length;
          const part = Math.min(count - at, piece.length - from);
          equal &&= piece.compare(buffer, at, at + part, from, from + part) === 0;
          at += part;
        }
        read += count;
      } catch {
        await delay(1);
      }
    }
    expect([read, equal]).toEqual([taken, true]);
    closeSync(fd);
    await master.close();
  });

  it('uses next to no CPU while it waits for a host, and calls no one after close', async () => {
    const master = await openPty();
    const calls: string[] = [];
    master.onHost((present) => calls.push(`host ${present}`));
    master.onData(() => calls.push('data'));
    expect(await cpuOver(500)).toBeLessThan(250);
    const fd = openSync(master.slavePath, FLAGS);
    await until(() => master.hostPresent, 'the host');
    writeSync(fd, 'abc');
    await master.close();
    await master.close();
    expect(master.write(Buffer.from('x'))).toBe(true);
    await delay(30);
    expect(calls.filter((call) => call !== 'data')).toEqual(['host true']);
    expect(() => writeSync(fd, 'abc')).toThrow(/EIO/);
    closeSync(fd);
  });

  it('stops calling a callback that was taken back', async () => {
    const master = await openPty();
    const [kept, taken] = [new Recorder(), new Recorder()];
    master.onData(kept.data);
    const stop = master.onData(taken.data);
    stop();
    const fd = openSync(master.slavePath, FLAGS);
    writeSync(fd, 'abc');
    await until(() => kept.length === 3, 'the bytes');
    expect(taken.length).toBe(0);
    closeSync(fd);
    await master.close();
  });

  it('is not inherited by child processes', async () => {
    const master = await openPty();
    const { stdout } = await run('sh', ['-c', 'ls -l /proc/self/fd']);
    expect(stdout).not.toContain('ptmx');
    await master.close();
  });
});
