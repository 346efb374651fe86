import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { AckFinder, SYNC_ACK, SYNC_PACKET } from '../../../src/port/ack-finder.js';
import { openSerialPort, probeCamera } from '../../../src/port/index.js';
import { printable } from '../../../src/port/probe-verdict.js';
import { openPty } from '../../../src/virtual/line/pty.js';
import { FakeStream, failure, noise, openTtys, Recorder, until } from './helpers.js';

/** Short enough for a test, long enough for a slow machine. */
const QUICK = { attemptMs: 60, quietMs: 5, busyMs: 400 };

describe('the packets of a probe', () => {
  it('are the golden ones', () => {
    expect(Buffer.from(SYNC_PACKET).toString('hex')).toBe('aad5000000000000b0ac');
    expect(Buffer.from(SYNC_ACK).toString('hex')).toBe('aad50000010000000846');
  });

  it('are found behind any bytes, in any chunking, and the bytes behind them are kept', () => {
    // Bytes that make false starts likely.
    const stale = fc.array(fc.oneof(fc.constantFrom(0xaa, 0xd5, 0, 1), fc.nat(255)), { maxLength: 60 });
    fc.assert(
      fc.property(
        stale,
        fc.uint8Array({ maxLength: 30 }),
        fc.array(fc.integer({ min: 1, max: 13 })),
        (before, after, cuts) => {
          const whole = Buffer.concat([Buffer.from(before), SYNC_ACK, after]);
          const finder = new AckFinder();
          let at = 0;
          for (let turn = 0; at < whole.length; turn++) {
            const chunk = whole.subarray(at, at + (cuts[turn % (cuts.length || 1)] ?? 7));
            at += chunk.length;
            const rest = finder.feed(chunk);
            if (!rest) continue;
            expect(at - rest.length).toBe(before.length + SYNC_ACK.length);
            expect(Buffer.from(rest).equals(whole.subarray(at - rest.length, at))).toBe(true);
            return;
          }
          expect.unreachable('the acknowledgement was missed');
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('a probe', () => {
  it('accepts a camera and hands the line on with the bytes behind the answer', async () => {
    const line = new FakeStream();
    line.onWrite = () => {
      line.send(SYNC_ACK.subarray(0, 4));
      line.send(Buffer.concat([SYNC_ACK.subarray(4), Buffer.from('more')]));
    };
    const stream = await probeCamera(line, QUICK);
    expect([stream.name, stream.kind]).toEqual(['fake', 'usb']);
    expect(line.written.map((bytes) => bytes.toString('hex'))).toEqual(['aad5000000000000b0ac']);
    line.send(Buffer.from(' before start'));
    const recorder = Recorder.on(stream);
    line.send(Buffer.from(' after'));
    expect(recorder.bytes.toString()).toBe('more before start after');
    line.onWrite = undefined;
    stream.write(Buffer.from('out'));
    expect(line.written.at(-1)?.toString()).toBe('out');
    await stream.close();
    await delay(1);
    expect(recorder.ends).toEqual([undefined]);
  });

  it('finds the answer behind the rest of a frame', async () => {
    const line = new FakeStream();
    const frame = Buffer.concat([Buffer.from([0xaa, 0xd5, 0xaa]), noise(5003), Buffer.from([0xaa])]);
    line.onWrite = () => {
      for (let at = 0; at < frame.length; at += 997) line.send(frame.subarray(at, at + 997));
      line.send(SYNC_ACK);
    };
    const probing = probeCamera(line, QUICK);
    line.send(noise(500));
    const recorder = Recorder.on(await probing);
    line.send(Buffer.from('next'));
    expect(recorder.bytes.toString()).toBe('next');
  });

  it('waits while a camera still sends a transfer and does not repeat itself meanwhile', async () => {
    const line = new FakeStream();
    line.onWrite = async () => {
      for (let part = 0; part < 15; part++) {
        line.send(noise(4096, part));
        await delay(15);
      }
      line.send(SYNC_ACK);
    };
    const recorder = Recorder.on(await probeCamera(line, { ...QUICK, busyMs: 5000 }));
    expect(line.written).toHaveLength(1);
    expect(recorder.length).toBe(0);
  });

  it('tries again, and late answers to earlier attempts are not handed on', async () => {
    const line = new FakeStream();
    line.onWrite = () => {
      if (line.written.length === 3)
        line.send(Buffer.concat([SYNC_ACK, SYNC_ACK, SYNC_ACK, Buffer.from('x')]));
    };
    const recorder = Recorder.on(await probeCamera(line, QUICK));
    expect(line.written).toHaveLength(3);
    expect(recorder.bytes.toString()).toBe('x');
  });

  it('calls a line silent on which nothing came, and closes it', async () => {
    const line = new FakeStream();
    const error = await failure(probeCamera(line, QUICK), 'CAMERA_SILENT');
    expect(error.message).toContain('3 attempts');
    expect(error.message).toContain('firmware');
    const sent = line.written.map((bytes) => bytes.toString('hex'));
    const sync = 'aad5000000000000b0ac';
    // The fourth asks older firmware for its version.
    expect([sent, line.closes]).toEqual([[sync, sync, sync, '30800c000000'], 1]);
  });

  it.each([
    ['echo', (sent: Buffer) => sent, 'sends back what it gets'],
    ['prompt', () => Buffer.from('\r\nMicroPython v1.24 on 2025-01-01\r\n>>> '), 'MicroPython prompt'],
    ['other text', () => Buffer.from('ERR unknown command\r\n'), 'ERR unknown command\\r\\n'],
    ['binary', () => Buffer.from([0, 255, 65]), '"\\x00\\xffA'],
  ])('says what answered when it is no camera: %s', async (_what, answer, expected) => {
    const line = new FakeStream();
    line.onWrite = (sent) => line.send(answer(sent));
    const error = await failure(probeCamera(line, QUICK), 'NOT_A_CAMERA');
    expect(error.message).toContain(expected);
    expect(line.closes).toBe(1);
  });

  it('tells a camera that sends packets but no answer from another device', async () => {
    const line = new FakeStream();
    line.onWrite = () => line.send(Buffer.from('aad503050126000030fd', 'hex'));
    await failure(probeCamera(line, QUICK), 'CAMERA_PROTOCOL');
  });

  it('gives up on a device that never stops talking', async () => {
    const line = new FakeStream();
    const timer = setInterval(() => line.send(Buffer.from('temperature 21.5\n')), 2);
    const error = await failure(probeCamera(line, QUICK), 'NOT_A_CAMERA');
    clearInterval(timer);
    expect(error.message).toContain('temperature');
    expect(String(error.context['heard']).length).toBeLessThanOrEqual(1024);
  });

  it('passes on what broke the line', async () => {
    const line = new FakeStream();
    const broken = new BridgeError('PORT_CLOSED', 'unplugged');
    line.onWrite = () => line.fail(broken);
    await expect(probeCamera(line, QUICK)).rejects.toBe(broken);
  });

  it('keeps a bounded number of bytes until the line is taken over', async () => {
    const line = new FakeStream();
    line.onWrite = () => line.send(SYNC_ACK);
    const stream = await probeCamera(line, QUICK);
    for (let part = 0; part < 20; part++) line.send(noise(100_000));
    expect(line.closes).toBe(1);
    const recorder = Recorder.on(stream);
    await delay(1);
    expect(recorder.length).toBeLessThanOrEqual(1024 * 1024);
    expect(recorder.ends.map((error) => error?.code)).toEqual(['PORT_FAILED']);
  });

  it('delivers what came before the line broke between probe and start', async () => {
    const line = new FakeStream();
    line.onWrite = () => line.send(Buffer.concat([SYNC_ACK, Buffer.from('tail')]));
    const stream = await probeCamera(line, QUICK);
    line.fail(new BridgeError('PORT_CLOSED', 'unplugged'));
    const recorder = Recorder.on(stream);
    await delay(1);
    expect(recorder.bytes.toString()).toBe('tail');
    expect(recorder.ends.map((error) => error?.code)).toEqual(['PORT_CLOSED']);
  });

  it('works through a pty, with stale bytes on the line', async () => {
    const before = openTtys();
    const master = await openPty();
    const received = new Recorder();
    master.onHost((present) => present && master.write(noise(3333)));
    master.onData((chunk) => {
      received.data(chunk);
      if (received.bytes.includes(Buffer.from(SYNC_PACKET)))
        master.write(Buffer.concat([noise(77), SYNC_ACK]));
    });
    const stream = await probeCamera(await openSerialPort({ path: master.slavePath }));
    const recorder = Recorder.on(stream);
    master.write(Buffer.from('hello'));
    await until(() => recorder.length >= 5, 'the hand-over');
    expect(recorder.bytes.toString()).toBe('hello');
    await stream.close();
    const silent = await openSerialPort({ path: master.slavePath });
    master.hangUp();
    await failure(probeCamera(silent), 'PORT_CLOSED');
    await master.close();
    expect(openTtys()).toEqual(before);
  });
});

it('shows bytes as a person can read them', () => {
  expect(printable(Buffer.from('a\r\n\x00\xff', 'latin1'))).toBe('a\\r\\n\\x00\\xff');
  expect(printable(Buffer.from('abcdef'), 3)).toBe('abc...');
});
