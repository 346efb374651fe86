/** `--http --nats` without a port: the page of one machine shows the cameras of others. */
import { expect, it, onTestFinished, vi } from 'vitest';
import { Program } from '../program/program.js';
import { crcOf } from '../program/support.js';
import { ODD_NG } from '../web/support.js';
import { TestNats } from './nats-server.js';

// Many processes one after the other.
vi.setConfig({ testTimeout: 180_000 });

function start(...args: string[]): Program {
  const program = new Program(args);
  onTestFinished(async () => {
    program.kill('SIGKILL');
    await program.ended;
  });
  return program;
}

const camera = (nats: TestNats, ...args: string[]): Program =>
  start(
    ...['--port', 'virtual', '--no-shm', '--json', '--nats', nats.url, '--site', 'hall'],
    ...['--camera-id', 'cam-a', ...args],
  );

it('shows the cameras of a site, their frames, verdicts and states, and carries commands out there', async () => {
  const nats = await TestNats.start();
  const there = camera(nats, '--', ...ODD_NG);
  const page = start('--http', '0', '--nats', nats.url, '--site', 'hall');
  await expect.poll(() => page.stderr, { timeout: 40_000 }).toMatch(/page: (http:\S+)/);
  const [, url = ''] = /page: (http:\S+)/.exec(page.stderr)!;
  // biome-ignore lint/suspicious/noExplicitAny: the forms are what the test is about
  const get = async (path: string): Promise<any> => (await fetch(new URL(path, url))).json();

  const detail = () => get('/api/cameras/cam-a');
  await expect
    .poll(async () => (await detail()).stats?.algorithm?.ng, { timeout: 40_000 })
    .toBeGreaterThan(0);
  expect(await detail()).toMatchObject({
    ...{ id: 'cam-a', port: 'nats:hall/cam-a', streaming: true },
    camera: { state: 'streaming', ok: true },
    algorithm: { state: 'ready' },
    info: { firmwareVersion: '5.0.0', protocolVersion: '1.0.2' },
    script: { running: true },
  });

  // A frame of the page is one that was captured there.
  const answer = await fetch(new URL('/api/cameras/cam-a/frames/latest.jpg', url));
  const sequence = Number(answer.headers.get('x-frame-sequence'));
  const line = await there.line((one) => one.type === 'frame' && one['sequence'] === sequence);
  expect(crcOf(Buffer.from(await answer.arrayBuffer()))).toBe(line['crc32']);
  // Results are those of there, NG ones with their frames.
  await expect
    .poll(async () => (await get('/api/cameras/cam-a/results?outcome=ng')).results.length, {
      timeout: 40_000,
    })
    .toBeGreaterThan(2);
  const [result] = (await get('/api/cameras/cam-a/results?outcome=ng')).results;
  expect(result.sequence % 2).toBe(1);
  expect(result.picture).not.toBeNull();
  const own = await there.line((one) => one.type === 'result' && one['sequence'] === result.sequence);
  expect(own).toMatchObject({ resultStatus: 'NG', latencyMs: result.latencyMs });

  const post = (path: string, body: object, method = 'POST') =>
    fetch(new URL(path, url), {
      method,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  expect((await post('/api/commands/stop_stream?camera=cam-a', {})).status).toBe(200);
  await expect.poll(async () => (await detail()).camera.state, { timeout: 40_000 }).toBe('paused');
  expect((await post('/api/commands/start_stream?camera=cam-a', {})).status).toBe(200);
  await expect.poll(async () => (await detail()).camera.state, { timeout: 40_000 }).toBe('streaming');
  const controls = '/api/cameras/cam-a/controls';
  const put = await post(controls, { exposure: 5_000 }, 'PUT');
  expect(put.status).toBe(200);
  const exposure = (await get(controls)).controls.find(({ name }: { name: string }) => name === 'exposure');
  expect(exposure).toMatchObject({ value: 5_000, auto: false });
  expect((await post(controls, { framerate: 5 }, 'PUT')).status).toBeGreaterThanOrEqual(400);

  // The server goes and comes back: the same run is shown again.
  await nats.kill();
  await expect.poll(async () => (await detail()).camera.state, { timeout: 40_000 }).toBe('reconnecting');
  await nats.start();
  await expect
    .poll(async () => (await detail()).camera, { timeout: 40_000 })
    .toMatchObject({ state: 'streaming', ok: true });

  // Killed, it is away; a new run is shown as one.
  there.kill('SIGKILL');
  await there.ended;
  await expect.poll(async () => (await detail()).camera.state, { timeout: 40_000 }).toBe('reconnecting');
  expect((await detail()).camera.text).toMatch(/Nothing was heard of it/);
  const again = camera(nats);
  await expect
    .poll(async () => (await detail()).camera, { timeout: 40_000 })
    .toMatchObject({ state: 'streaming', ok: true });
  again.kill('SIGTERM');
  await again.ended;
  await expect.poll(async () => (await detail()).camera.state, { timeout: 40_000 }).toBe('closed');

  page.kill('SIGTERM');
  const { status, stderr } = await page.ended;
  expect(status, stderr).toBe(0);
});
