import { closeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { SerialPort } from 'serialport';
import { describe, expect, it } from 'vitest';
import { openPort, SerialportStream, WRITE_LIMIT } from '../../../src/port/serialport-stream.js';
import { openPty } from '../../../src/virtual/line/pty.js';
import { makePty } from '../../../src/virtual/line/pty-device.js';
import { noise, openTtys, Recorder, until } from './helpers.js';

/** The stream that Windows uses, on a pty of this system. */
async function openStream(path: string): Promise<SerialportStream> {
  const port = new SerialPort({ path, baudRate: 921600, autoOpen: false });
  await openPort(port);
  return new SerialportStream(path, 'usb', port);
}

describe("a stream over serialport's own reads and writes", () => {
  it('carries bytes both ways and closes once', async () => {
    const before = openTtys();
    const master = await openPty();
    const fromHost = new Recorder();
    master.onData(fromHost.data);
    const stream = await openStream(master.slavePath);
    const fromCamera = Recorder.on(stream);
    await until(() => master.hostPresent, 'the host');
    const [up, down] = [noise(300_000, 1), noise(300_000, 2)];
    for (let at = 0; at < up.length; at += 5000) {
      const piece = Buffer.from(up.subarray(at, at + 5000));
      stream.write(piece);
      piece.fill(0);
    }
    master.write(down);
    await until(() => fromHost.length >= up.length && fromCamera.length >= down.length, 'all bytes');
    expect([fromHost.bytes.equals(up), fromCamera.bytes.equals(down)]).toEqual([true, true]);
    await Promise.all([stream.close(), stream.close()]);
    stream.write(Buffer.from('late'));
    await delay(1);
    expect(fromCamera.ends).toEqual([undefined]);
    await master.close();
    expect(openTtys()).toEqual(before);
  });

  it('reports a hang-up once and frees its descriptor', async () => {
    const before = openTtys();
    const master = await openPty();
    const stream = await openStream(master.slavePath);
    const recorder = Recorder.on(stream);
    await delay(20);
    master.hangUp();
    stream.write(Buffer.from('x'));
    await until(() => recorder.ends.length > 0, 'the end');
    await stream.close();
    await master.close();
    await delay(20);
    expect(recorder.ends.map((error) => error?.code)).toEqual(['PORT_CLOSED']);
    expect(openTtys()).toEqual(before);
  });

  it('ends with PORT_FAILED when the camera does not read', async () => {
    const before = openTtys();
    const silent = makePty();
    const stream = await openStream(silent.slavePath);
    const recorder = Recorder.on(stream);
    for (let sent = 0; sent < 2 * WRITE_LIMIT; sent += 65_536) stream.write(noise(65_536));
    await until(() => recorder.ends.length > 0, 'the end');
    expect(recorder.ends.map((error) => error?.code)).toEqual(['PORT_FAILED']);
    await stream.close();
    closeSync(silent.fd);
    expect(openTtys()).toEqual(before);
  });
});
