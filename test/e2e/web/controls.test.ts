/** Settings, commands, results and figures over HTTP, with a camera that shows them. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import type { WebServer } from '../../../src/web/index.js';
import { RESTRICTED, scriptWith } from '../control/support.js';
import { ask, type Json, ODD_NG, post, serve, shown, until } from './support.js';

const scratch = mkdtempSync(join(tmpdir(), 'openmv-web-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

async function controls(server: WebServer, id: string): Promise<Record<string, Json>> {
  const { status, body } = await ask(server, `/api/cameras/${id}/controls`);
  expect(status, JSON.stringify(body)).toBe(200);
  return Object.fromEntries(body.controls.map((one: Json) => [one.name, one]));
}

const put = (server: WebServer, id: string, body: object) =>
  post(server, `/api/cameras/${id}/controls`, body, 'PUT');

describe('controls', () => {
  it('say what they take, and what the sensor answered', async () => {
    const server = await serve();
    const { cameraId } = await shown(server);
    expect(await controls(server, cameraId)).toMatchObject({
      exposure: {
        kind: 'number',
        unit: 'µs',
        minimum: 1,
        maximum: 60_000_000,
        step: 1,
        canBeAuto: true,
        value: expect.any(Number),
      },
      gain: { kind: 'number', unit: 'dB', canBeAuto: true },
      whiteBalance: { kind: 'temperature', unit: 'K', minimum: 1_500, maximum: 15_000, canBeAuto: true },
      framesize: {
        kind: 'choice',
        value: 'QVGA',
        choices: expect.arrayContaining(['VGA']),
        canBeAuto: false,
      },
      mirror: { kind: 'switch', value: false },
      brightness: { kind: 'number', minimum: -4, maximum: 4, step: 1 },
      'ehdr.enable': { kind: 'switch' },
      'ehdr.exposureMin': { kind: 'number', minimum: 1, maximum: 4 },
    });
  });

  it('change the picture', async () => {
    const server = await serve();
    const { cameraId } = await shown(server);
    const brightness = async (): Promise<number> => {
      const answer = await fetch(new URL(`/api/cameras/${cameraId}/frames/latest.jpg`, server.url));
      const { channels } = await sharp(Buffer.from(await answer.arrayBuffer()))
        .greyscale()
        .stats();
      return channels[0]!.mean;
    };
    await until('a frame', async () => (await ask(server, '/readyz')).body.ready);
    const answer = await put(server, cameraId, {
      exposure: 2_000,
      gain: 0,
      mirror: true,
      ehdr: { ratioMax: 30 },
    });
    expect(answer.status).toBe(200);
    expect(answer.body.controls).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ name: 'exposure', value: 2_000, auto: false }),
        expect.objectContaining({ name: 'mirror', value: true }),
        expect.objectContaining({ name: 'ehdr.ratioMax', value: 30 }),
      ]),
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    const dark = await brightness();
    await put(server, cameraId, { exposure: 30_000 });
    await until('a brighter frame', async () => (await brightness()) > dark + 10);
    expect(await put(server, cameraId, { exposure: 'auto' })).toMatchObject({ status: 200 });
    expect((await controls(server, cameraId))['exposure'].auto).toBe(true);
  });

  it('out of range, unknown or refused by the sensor are told', async () => {
    const server = await serve();
    const { cameraId } = await shown(server, { script: scriptWith(RESTRICTED, 'web-restricted.py') });
    expect(await put(server, cameraId, { quality: 101 })).toMatchObject({
      status: 400,
      body: { code: 'HTTP_INVALID', message: expect.stringContaining('quality') },
    });
    expect(await put(server, cameraId, { zoom: 2 })).toMatchObject({ status: 400 });
    const { status, body } = await put(server, cameraId, { exposure: 5_000, quality: 40 });
    expect(status).toBe(422);
    expect(body).toMatchObject({
      code: 'CAMERA_REFUSED',
      errors: { exposure: expect.stringContaining('not supported') },
    });
    const now = await controls(server, cameraId);
    expect(now['exposure'].refused).toContain('not supported');
    expect(now['quality']).toMatchObject({ value: 40, refused: null });
  });
});

describe('commands', () => {
  it('act, and say what is wrong', async () => {
    const server = await serve();
    await shown(server);
    expect(await post(server, '/api/commands/set_quality', { value: '60' })).toMatchObject({ status: 200 });
    expect((await post(server, '/api/commands/get_settings')).body.settings.quality).toBe(60);
    expect(await post(server, '/api/commands/set_quality', { value: 500 })).toMatchObject({
      status: 400,
      body: { code: 'OPTION_INVALID', message: expect.stringContaining('from 1 to 100') },
    });
    expect(await post(server, '/api/commands/set_qualiti')).toMatchObject({
      status: 404,
      body: { message: expect.stringContaining('set_quality') },
    });
    const { body } = await post(server, '/api/commands/snapshot');
    expect(Buffer.from(body.jpeg, 'base64').subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]));
  });

  it('reach no file of the machine', async () => {
    const server = await serve();
    const { cameraId } = await shown(server);
    const file = join(scratch, 'stolen.jpg');
    expect(await post(server, '/api/commands/snapshot', { path: file })).toMatchObject({ status: 403 });
    expect(existsSync(file)).toBe(false);
    await post(server, '/api/commands/stop_stream');
    for (const [name, params] of [
      ['exec_script', { path: '/etc/hostname' }],
      ['set_pipeline', { pipeline: `filesink location=${file}` }],
      ['subscribe', {}],
    ] as const) {
      expect(await post(server, `/api/commands/${name}`, params)).toMatchObject({
        status: 403,
        body: { code: 'HTTP_DENIED' },
      });
    }
    expect(
      await post(server, '/api/commands/exec_script', { script: 'print("from the page")' }),
    ).toMatchObject({
      status: 200,
    });
    await until('its output', async () =>
      (await ask(server, `/api/cameras/${cameraId}`)).body.script.output.includes('from the page'),
    );
  });
});

describe('results', () => {
  it('are counted, chosen, and NG ones kept with their frames over runs', async () => {
    const keepNgDir = join(scratch, 'ng');
    const server = await serve({ keepNg: 4, keepNgDir, runId: 'one' });
    const bridge = await shown(server, { runner: ODD_NG });
    const at = `/api/cameras/${bridge.cameraId}/results`;
    await until('results', async () => (await ask(server, at)).body.counts.ng > 6);
    const { body } = await ask(server, `${at}?limit=3&outcome=ng,failed&reason=odd`);
    expect(body.results).toHaveLength(3);
    for (const one of body.results) expect(one).toMatchObject({ outcome: 'ng', reason: 'odd' });
    expect(body.yield).toBeGreaterThan(0.3);
    expect(body.reasons['odd']).toBeGreaterThan(3);
    const [newest] = body.results;
    const picture = await fetch(new URL(newest.picture, server.url));
    expect(picture.status).toBe(200);
    const older = await ask(server, `${at}?beforeMs=${newest.timestampMs}&limit=1`);
    expect(older.body.results[0].sequence).toBeLessThan(newest.sequence);
    for (const wrong of ['outcome=bad', 'limit=0', 'limit=9999', 'kept=perhaps']) {
      expect((await ask(server, `${at}?${wrong}`)).status).toBe(400);
    }
    for (const wrong of ['..%2f..%2fx.jpg', 'none-1.jpg', 'x.png']) {
      expect((await ask(server, `${at}/${wrong}`)).status).toBeGreaterThanOrEqual(400);
    }
    await bridge.stopStreaming();
    await until(
      'four files',
      () => readdirSync(keepNgDir).filter((name) => name.endsWith('.jpg')).length === 4,
    );
    await server.close();
    // A later run shows them.
    const later = await serve({ keepNg: 4, keepNgDir, runId: 'two' });
    later.add(bridge);
    await until('the kept ones', async () => (await ask(later, `${at}?kept=true`)).body.results.length === 4);
    const kept = (await ask(later, `${at}?kept=true`)).body.results;
    const again = await fetch(new URL(kept[0].picture, later.url));
    expect(Buffer.from(await again.arrayBuffer()).subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]));
  });
});

it('history has a sample a second, and what came since', async () => {
  const server = await serve();
  const bridge = await shown(server, { runner: ODD_NG });
  const at = `/api/cameras/${bridge.cameraId}/history`;
  await until('samples', async () => (await ask(server, at)).body.timeMs.length >= 3);
  const { body } = await ask(server, at);
  for (const values of Object.values<Json>(body.series)) expect(values).toHaveLength(body.timeMs.length);
  expect(body.series.framesPerSecond.at(-1)).toBeGreaterThan(0);
  expect(body.series.bridgeCpu.at(-1)).toBeGreaterThan(0);
  expect(body.series.bridgeMemoryBytes.at(-1)).toBeGreaterThan(10_000_000);
  expect(body.series.algorithmMemoryBytes.at(-1)).toBeGreaterThan(1_000_000);
  expect(body.series.resultP99Ms.at(-1)).toBeGreaterThanOrEqual(body.series.resultP50Ms.at(-1));
  expect(body.series.ng.reduce((sum: number, one: number) => sum + one, 0)).toBeGreaterThan(0);
  const last = body.timeMs.at(-1);
  expect((await ask(server, `${at}?sinceMs=${last}`)).body.timeMs.every((time: number) => time > last)).toBe(
    true,
  );
  expect((await ask(server, `${at}?sinceMs=soon`)).status).toBe(400);
});
