import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openSerialPort } from '../../../src/port/index.js';
import { openPty, type PtyMaster } from '../../../src/virtual/line/pty.js';
import { cpuOver, noise, openPair, openTtys, Recorder, until } from './helpers.js';

/** A spinning process would use all of the 500 ms; the rest is room for a slow machine. */
const SPIN_MS = 250;

/** Keeps the host's line full until the returned function is called. */
function stream(master: PtyMaster): () => void {
  const piece = noise(32_768);
  let running = true;
  const pump = () => {
    if (!running) return;
    if (master.queued < 262_144) master.write(piece);
    setImmediate(pump);
  };
  pump();
  return () => {
    running = false;
  };
}

describe('a hang-up', () => {
  it('while idle ends the stream once with PORT_CLOSED', async () => {
    const before = openTtys();
    const { master, stream: host, fromCamera } = await openPair();
    await delay(20);
    master.hangUp();
    await until(() => fromCamera.ends.length > 0, 'the end');
    const cpu = await cpuOver(500);
    expect(fromCamera.ends.map((error) => error?.code)).toEqual(['PORT_CLOSED']);
    expect(fromCamera.ends[0]?.message).toContain(host.name);
    expect(cpu).toBeLessThan(SPIN_MS);
    await host.close();
    await master.close();
    expect(fromCamera.ends).toHaveLength(1);
    expect(openTtys()).toEqual(before);
  });

  it('in mid-stream ends the stream once with PORT_CLOSED, 20 times of 20', async () => {
    const before = openTtys();
    for (let round = 0; round < 20; round++) {
      const { master, stream: host, fromCamera } = await openPair();
      const stop = stream(master);
      await until(() => fromCamera.length > 500_000 + round * 10_000, 'a running stream');
      master.hangUp();
      stop();
      await until(() => fromCamera.ends.length > 0, `the end of round ${round}`);
      if (round % 5 === 0) expect(await cpuOver(500)).toBeLessThan(SPIN_MS);
      await host.close();
      await master.close();
      expect(fromCamera.ends.map((error) => error?.code)).toEqual(['PORT_CLOSED']);
    }
    expect(openTtys()).toEqual(before);
  });

  it('in mid-write ends the stream once with PORT_CLOSED, and later writes are harmless', async () => {
    const before = openTtys();
    for (let round = 0; round < 20; round++) {
      const { master, stream: host, fromCamera } = await openPair();
      // More than the line holds: the rest is queued when the line breaks.
      host.write(noise(300_000));
      if (round % 2 === 0) await delay(0);
      master.hangUp();
      for (let write = 0; write < 5; write++) host.write(noise(1000));
      await until(() => fromCamera.ends.length > 0, `the end of round ${round}`);
      host.write(noise(10));
      await host.close();
      await master.close();
      expect(fromCamera.ends.map((error) => error?.code)).toEqual(['PORT_CLOSED']);
    }
    expect(await cpuOver(500)).toBeLessThan(SPIN_MS);
    expect(openTtys()).toEqual(before);
  });

  it('seen by a write (EIO) is reported after the write, not from inside it', async () => {
    const { master, stream: host, fromCamera } = await openPair();
    master.hangUp();
    host.write(Buffer.from('into the void'));
    expect(fromCamera.ends).toHaveLength(0);
    await until(() => fromCamera.ends.length > 0, 'the end');
    expect(fromCamera.ends[0]?.code).toBe('PORT_CLOSED');
    expect(fromCamera.ends[0]?.cause).toMatchObject({ code: 'EIO' });
    await host.close();
    await master.close();
  });

  it('during a close that waits for a stuck camera does not disturb it', async () => {
    const before = openTtys();
    const { master, stream: host, fromCamera } = await openPair();
    host.write(noise(300_000));
    const closing = host.close();
    master.hangUp();
    await closing;
    await master.close();
    expect(fromCamera.ends).toEqual([undefined]);
    expect(openTtys()).toEqual(before);
  });

  it('before the stream is started is reported when it is', async () => {
    const master = await openPty();
    const host = await openSerialPort({ path: master.slavePath });
    await master.close();
    const recorder = Recorder.on(host);
    await until(() => recorder.ends.length > 0, 'the end');
    expect(recorder.ends.map((error) => error?.code)).toEqual(['PORT_CLOSED']);
    await host.close();
  });
});
