/** Viewers: as many as may be, slow ones, stalled ones; none of them holds frames back or fills memory. */
import type { Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import type { WebServer } from '../../../src/web/index.js';
import { FakeBridge } from '../../fakes/fake-bridge.js';
import {
  ask,
  atEnd,
  collect,
  EventClient,
  pictures,
  raw,
  request,
  serve,
  shown,
  until,
  Viewer,
} from './support.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const MB = 1024 * 1024;
/** Large enough that what the system buffers for a connection is soon full. */
const FRAME_BYTES = 200_000;

async function faked(settings = {}): Promise<{ server: WebServer; fake: FakeBridge }> {
  const server = await serve({}, settings);
  const fake = new FakeBridge();
  atEnd(() => fake.end());
  server.add(fake.bridge);
  return { server, fake };
}

/** Viewers that ask and then read nothing. */
async function stall(server: WebServer, kinds: readonly ('mjpeg' | 'events' | 'ws')[]): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (const kind of kinds) {
    if (kind === 'ws') {
      const viewer = new Viewer(server);
      await viewer.opened;
      viewer.socket.pause();
      // It asks again and again, and takes nothing.
      const ask = setInterval(() => viewer.socket.readyState === 1 && viewer.socket.send('ready'), 5);
      atEnd(() => clearInterval(ask));
      sockets.push((viewer.socket as unknown as { _socket: Socket })._socket);
    } else {
      const { socket } = raw(server, request(server, kind === 'mjpeg' ? '/stream.mjpg' : '/events'));
      socket.pause();
      sockets.push(socket);
    }
  }
  await wait(200);
  return sockets;
}

describe('stalled viewers', () => {
  it('fill no memory, whatever they ask for', async () => {
    const { server, fake } = await faked();
    await stall(server, ['mjpeg', 'mjpeg', 'mjpeg', 'ws', 'ws', 'ws', 'events', 'events']);
    // What is held, not what has not been collected yet.
    const held = (): number => {
      collectGarbage();
      const { arrayBuffers, heapUsed } = process.memoryUsage();
      return arrayBuffers + heapUsed;
    };
    const pump = async (frames: number): Promise<void> => {
      for (let n = 0; n < frames; n++) {
        fake.frame(FRAME_BYTES);
        fake.event({ type: 'stdout', text: 'x'.repeat(2_000) });
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await pump(300);
    const before = held();
    // 600 MB of frames: kept for one viewer only, they would be seen here.
    await pump(3_000);
    await wait(500);
    expect(held()).toBeLessThan(before + 60 * MB);
  });

  it('do not keep others from their frames', async () => {
    const { server, fake } = await faked();
    await stall(server, ['mjpeg', 'ws', 'events']);
    const good = raw(server, request(server, '/stream.mjpg'));
    const viewer = new Viewer(server);
    const events = new EventClient(server, '?types=frame');
    await viewer.opened;
    await until('the events are open', () => events.status === 200);
    for (let n = 0; n < 60; n++) {
      const sequence = fake.frame(FRAME_BYTES).sequence;
      if (n % 10 === 0)
        await until('the picture', async () => (await viewer.next()).header.sequence >= sequence);
      await wait(5);
    }
    await until('frames', () => pictures(good.text()).length >= 20);
    await until('lines', () => events.of('frame').length === 60);
  });

  it('of events are told how many lines they lack', async () => {
    const { server, fake } = await faked();
    const slow = raw(server, request(server, '/events'));
    await until('it is there', () => slow.text().includes('event: start'));
    slow.socket.pause();
    const sent = 10_000;
    for (let n = 0; n < sent; n++) {
      fake.event({ type: 'stdout', text: `line ${n} ${'x'.repeat(2_000)}` });
      if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    slow.socket.resume();
    await until('it has read', async () => {
      fake.event({ type: 'stdout', text: 'again' });
      return slow.text().includes('"text":"again"');
    });
    const lost = [...slow.text().matchAll(/"type":"lost","timestampMs":\d+,"count":(\d+)/g)];
    const missing = lost.reduce((sum, [, count]) => sum + Number(count), 0);
    const got = slow.text().match(/event: stdout\n/g)!.length;
    expect(lost.length).toBeGreaterThan(0);
    const again = slow.text().match(/"text":"again"/g)!.length;
    expect(got - again + missing).toBeGreaterThanOrEqual(sent);
  });

  it('are ended after a while', async () => {
    const { server, fake } = await faked({ stalledMs: 1_000 });
    const sockets = await stall(server, ['mjpeg', 'ws']);
    const reader = raw(server, request(server, '/stream.mjpg'));
    let closed = 0;
    for (const socket of sockets) {
      socket.on('close', () => closed++).on('error', () => undefined);
    }
    const pump = setInterval(() => fake.frame(FRAME_BYTES), 10);
    atEnd(() => clearInterval(pump));
    // What the server has ended is seen once they read again.
    await wait(4_000);
    for (const socket of sockets) socket.resume();
    await until('they are ended', () => closed === sockets.length);
    expect(reader.socket.destroyed).toBe(false);
  });

  it('cost the camera no frames', async () => {
    const server = await serve();
    const bridge = await shown(server, { virtual: { fps: 200 } });
    const frames = collect(bridge);
    const rate = async (): Promise<number> => {
      const [count, since] = [frames.size, performance.now()];
      await wait(2_000);
      return ((frames.size - count) / (performance.now() - since)) * 1_000;
    };
    await until('frames', () => frames.size > 20);
    const before = await rate();
    const stalled = await stall(server, ['mjpeg', 'mjpeg', 'ws', 'ws', 'events', 'events']);
    const during = await rate();
    for (const socket of stalled) socket.destroy();
    const after = await rate();
    // Other programs take their share of this machine, more at times: what counts is the slower of the rates around it.
    expect(during).toBeGreaterThan(Math.min(before, after) / 2);
    expect(bridge.stats().dropped).toBe(0);
  });
});

describe('66 viewers', () => {
  it('64 of them watch, of all kinds; when one leaves another may come', async () => {
    const { server, fake } = await faked();
    const streams = Array.from({ length: 24 }, () => raw(server, request(server, '/stream.mjpg')));
    const sockets = Array.from({ length: 20 }, () => new Viewer(server));
    await Promise.all(sockets.map(({ opened }) => opened));
    const events = Array.from({ length: 20 }, () => new EventClient(server, '?types=frame'));
    await until('all are there', () => events.every(({ status }) => status === 200));
    await until('streams too', () => streams.every(({ text }) => text().includes('200 OK')));
    for (const path of ['/stream.mjpg', '/events']) {
      expect(await ask(server, path)).toMatchObject({ status: 503, body: { code: 'HTTP_BUSY' } });
    }
    await expect(new Viewer(server).opened).rejects.toThrow('503');
    // The others go on, and so does everything else.
    fake.frame();
    const asked = sockets.map((viewer) => viewer.next());
    fake.frame();
    await Promise.all(asked);
    await until('the frame everywhere', () => events.every((one) => one.of('frame').length === 2));
    await until('pictures everywhere', () => streams.every(({ text }) => pictures(text()).length >= 1));
    expect((await ask(server, '/api/cameras')).status).toBe(200);
    streams[0]!.socket.destroy();
    sockets[0]!.socket.terminate();
    await until('there is room', async () => {
      const late = new Viewer(server);
      return late.opened.then(
        () => true,
        () => false,
      );
    });
  });
});

it('a bridge that ends under a stalled viewer ends the answer, and nothing else', async () => {
  const { server, fake } = await faked();
  const [socket] = (await stall(server, ['mjpeg'])) as [Socket];
  for (let n = 0; n < 60; n++) fake.frame(FRAME_BYTES);
  await wait(100);
  for (let n = 0; n < 60; n++) fake.frame(FRAME_BYTES);
  fake.end();
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.resume();
  await closed;
  expect((await ask(server, '/healthz')).status).toBe(200);
});

describe('what is not needed any more', () => {
  it('is not kept when the server has ended', async () => {
    const { server, fake } = await faked();
    const viewer = new Viewer(server);
    await viewer.opened;
    expect(fake.observed).toBe(true);
    await server.close();
    await until('the server listens no more', () => !fake.observed);
  });

  it('a viewer that has left is told nothing', async () => {
    const { server, fake } = await faked();
    const count = (): number => (fake.frames$ as unknown as { observers: unknown[] }).observers.length;
    const before = count();
    const stream = raw(server, request(server, '/stream.mjpg'));
    const viewer = new Viewer(server);
    await viewer.opened;
    await until('both are there', () => count() === before + 2);
    stream.socket.destroy();
    viewer.socket.terminate();
    await until('both are gone', () => count() === before);
  });
});
