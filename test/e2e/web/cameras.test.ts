/** What is told of cameras: there, gone and back, several, none. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import { BridgeError } from '../../../src/errors.js';
import { FakeBridge } from '../../fakes/fake-bridge.js';
import { plugIn } from '../../fakes/plugged-camera.js';
import { ask, atEnd, collect, ODD_NG, pictures, post, raw, request, serve, shown, until } from './support.js';

const scratch = mkdtempSync(join(tmpdir(), 'openmv-web-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('one camera', () => {
  it('is told in words and figures', async () => {
    const server = await serve();
    const bridge = await shown(server, { runner: ODD_NG });
    await until('figures', async () => (await ask(server, `/api/cameras/${bridge.cameraId}`)).body.stats);
    const { body } = await ask(server, `/api/cameras/${bridge.cameraId}`);
    expect(body).toMatchObject({
      id: bridge.cameraId,
      port: 'virtual',
      streaming: true,
      camera: { state: 'streaming', ok: true, text: 'Frames are coming.', advice: null },
      algorithm: { state: 'ready', ok: true, log: ['paced and ready'] },
      info: { firmwareVersion: '5.0.0' },
      stats: { type: 'stats', width: 320, height: 240 },
      script: { running: true },
      failing: [],
    });
    const { body: list } = await ask(server, '/api/cameras');
    expect(list.cameras.map(({ id }: { id: string }) => id)).toEqual([bridge.cameraId]);
    expect(await ask(server, '/readyz')).toMatchObject({ status: 200, body: { ready: true, reasons: [] } });
    expect(await ask(server, '/api/cameras/nobody')).toMatchObject({
      status: 404,
      body: { code: 'HTTP_NOT_FOUND', message: expect.stringContaining(bridge.cameraId) },
    });
  });

  it('gives its frames byte for byte, the latest and the last ones', async () => {
    const server = await serve();
    const bridge = await shown(server);
    const frames = collect(bridge);
    await until('frames', () => frames.size > 5);
    const base = new URL(`/api/cameras/${bridge.cameraId}/frames/`, server.url);
    const latest = await fetch(new URL('latest.jpg', base));
    expect(latest.headers.get('content-type')).toBe('image/jpeg');
    const sequence = Number(latest.headers.get('x-frame-sequence'));
    expect(Buffer.from(await latest.arrayBuffer())).toEqual(Buffer.from(frames.get(sequence)!.jpeg));
    const [first] = frames.keys();
    const one = await fetch(new URL(`${first}.jpg`, base));
    expect(Buffer.from(await one.arrayBuffer())).toEqual(Buffer.from(frames.get(first!)!.jpeg));
    for (const [path, status] of [
      ['999999.jpg', 404],
      ['0.jpg', 400],
      ['-1.jpg', 400],
      ['1.png', 400],
      ['latest', 400],
    ] as const) {
      const { status: got, body } = await ask(server, new URL(path, base).pathname);
      expect([path, got]).toEqual([path, status]);
      expect(body.code).toMatch(/^HTTP_/);
    }
  });

  it('stopped by a command says so, and is not ready', async () => {
    const server = await serve();
    const bridge = await shown(server);
    expect(await post(server, '/api/commands/stop_stream')).toMatchObject({ status: 200 });
    const { body } = await ask(server, `/api/cameras/${bridge.cameraId}`);
    expect(body).toMatchObject({
      streaming: false,
      camera: { state: 'paused', ok: false, advice: expect.any(String) },
    });
    expect(await ask(server, '/readyz')).toMatchObject({
      status: 503,
      body: { ready: false, reasons: [{ camera: bridge.cameraId, code: 'paused' }] },
    });
    expect(await post(server, '/api/commands/start_stream')).toMatchObject({ status: 200 });
    await until('ready', async () => (await ask(server, '/readyz')).status === 200);
  });

  it('says what its frames cannot go to, until they can', async () => {
    const server = await serve();
    const bridge = await shown(server, {
      shm: true,
      shmName: `/openmv_test_web_${process.pid}`,
      shmSize: 8_192,
    });
    const failing = async () => (await ask(server, `/api/cameras/${bridge.cameraId}`)).body.failing;
    await until('it fails', async () => (await failing()).length > 0);
    expect(await failing()).toMatchObject([
      { sink: 'segment', code: 'SHM_TOO_SMALL', message: expect.any(String) },
    ]);
    const small = { framesize: 'QQVGA', quality: 20 };
    await post(server, `/api/cameras/${bridge.cameraId}/controls`, small, 'PUT');
    await until('it works again', async () => (await failing()).length === 0);
  });

  it('that ends is gone from the list', async () => {
    const server = await serve();
    const bridge = await shown(server);
    await bridge.close();
    expect((await ask(server, '/api/cameras')).body.cameras).toEqual([]);
    expect((await ask(server, '/readyz')).status).toBe(503);
    expect((await ask(server, '/stream.mjpg')).status).toBe(404);
  });
});

it('a camera that is pulled is told with what to do, and comes back', async () => {
  const server = await serve();
  const port = join(scratch, 'line');
  let pull = await plugIn(port);
  atEnd(() => pull());
  const bridge = await openBridge({ port, shm: false });
  atEnd(() => bridge.close());
  server.add(bridge);
  await bridge.start();
  const frames = collect(bridge);
  const stream = raw(server, request(server, '/stream.mjpg'));
  await until('frames', () => frames.size > 3);
  await pull();
  const state = async () => (await ask(server, '/api/cameras')).body.cameras[0].camera;
  await until('it is gone', async () => (await state()).state === 'reconnecting');
  const gone = await state();
  expect(gone).toMatchObject({
    ok: false,
    text: expect.stringMatching(/^The camera has been gone since \d\d:\d\d:\d\d/),
  });
  expect(gone.advice).toContain('Plug it in');
  expect(gone.sinceMs).toBeLessThanOrEqual(Date.now());
  expect(await ask(server, '/readyz')).toMatchObject({
    status: 503,
    body: { reasons: [{ code: 'reconnecting' }] },
  });
  // What was there stays: the last frames, and a viewer's stream.
  expect((await fetch(new URL(`/api/cameras/${bridge.cameraId}/frames/latest.jpg`, server.url))).status).toBe(
    200,
  );
  expect(await post(server, '/api/commands/stop_script')).toMatchObject({ status: expect.any(Number) });
  const before = pictures(stream.text()).length;
  pull = await plugIn(port);
  await until('it is back', async () => (await state()).ok, 30_000);
  await until('its viewer sees it', () => pictures(stream.text()).length > before + 2);
  expect((await ask(server, '/readyz')).status).toBe(200);
});

it('an id may have any characters', async () => {
  const server = await serve();
  const id = '/dev/tty ACM0?é';
  const fake = new FakeBridge(id);
  atEnd(() => fake.end());
  server.add(fake.bridge);
  const { sequence } = fake.frame();
  const named = encodeURIComponent(id);
  const answer = await fetch(new URL(`/api/cameras/${named}/frames/${sequence}.jpg`, server.url));
  expect(answer.status).toBe(200);
  expect((await ask(server, `/api/cameras/${named}/results`)).body.cameraId).toBe(id);
  expect((await ask(server, `/api/cameras/${named}/history?camera=x`)).body.cameraId).toBe(id);
});

it('a camera that has not come is told with its reason', async () => {
  const server = await serve();
  server.waiting('/dev/ttyACM7', new BridgeError('PORT_NOT_FOUND', 'There is no port /dev/ttyACM7.'));
  const missing = { port: '/dev/ttyACM7', code: 'PORT_NOT_FOUND', message: 'There is no port /dev/ttyACM7.' };
  expect((await ask(server, '/api/cameras')).body).toMatchObject({ cameras: [], waiting: [missing] });
  expect(await ask(server, '/readyz')).toMatchObject({
    status: 503,
    body: { reasons: [{ camera: '/dev/ttyACM7', code: 'PORT_NOT_FOUND' }] },
  });
});

it('of several cameras each is asked for by its id', async () => {
  const server = await serve();
  const [one, other] = [await shown(server), await shown(server, { streaming: false })];
  expect(one.cameraId).not.toBe(other.cameraId);
  for (const path of ['/stream.mjpg', '/ws', '/stream.mjpg?camera=']) {
    const { status, body } = await ask(server, path);
    expect(status).toBeGreaterThanOrEqual(400);
    if (path === '/stream.mjpg') expect(body.message).toContain(other.cameraId);
  }
  expect(await post(server, '/api/commands/get_stats')).toMatchObject({
    status: 400,
    body: { code: 'HTTP_INVALID' },
  });
  expect(await post(server, `/api/commands/get_stats?camera=${other.cameraId}`)).toMatchObject({
    body: { status: 'success', camera: other.cameraId, streaming: false },
  });
  expect(await post(server, '/api/commands/get_stats', { camera: one.cameraId })).toMatchObject({
    body: { camera: one.cameraId, streaming: true },
  });
  expect(await post(server, '/api/commands/get_stats?camera=nobody')).toMatchObject({ status: 404 });
  expect(await post(server, '/api/commands/list_cameras')).toMatchObject({ body: { cameras: [{}, {}] } });
  const stream = raw(server, request(server, `/stream.mjpg?camera=${one.cameraId}`));
  await until('frames of the one', () => pictures(stream.text()).length > 2);
  const { body } = await ask(server, '/readyz');
  expect(body.reasons.map(({ camera }: { camera: string }) => camera)).toEqual([other.cameraId]);
});
