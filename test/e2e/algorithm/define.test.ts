import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DIALECTS, type ImageReference } from '../../../src/adapter/dialects.js';
import { encodeMessage, type JsonObject, MessageDecoder } from '../../../src/adapter/framing.js';
import type { RunnerOptions } from '../../../src/runner/options.js';
import { failure, observe, picture, verdict } from '../runner/support.js';

const fixture = fileURLToPath(new URL('fixtures/algorithm.mjs', import.meta.url));
const WIDTH = 32;
const HEIGHT = 16;

let directory: string;
let jpeg: Buffer;

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'define-algorithm-'));
  jpeg = await sharp({
    create: { width: WIDTH, height: HEIGHT, channels: 3, background: { r: 250, g: 10, b: 10 } },
  })
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
    .toBuffer();
});
afterAll(() => {
  rmSync(directory, { recursive: true });
});

function put(bytes: Buffer = jpeg, more: Partial<ImageReference> = {}): ImageReference {
  const image = picture({ width: WIDTH, height: HEIGHT, ...more });
  writeFileSync(join(directory, `${image.id.replace(/[^a-zA-Z0-9._-]/gu, '_')}.bin`), bytes);
  return image;
}

async function open(behaviour = '', more: Partial<RunnerOptions> = {}) {
  const observed = observe([process.execPath, fixture, behaviour], { imageDirectory: directory, ...more });
  await observed.runner.start();
  return observed;
}

describe('defineAlgorithm', () => {
  it.each(DIALECTS)('answers calls of the dialect %s with all that they say', async (dialect) => {
    const { call, runner } = await open('', {
      dialect,
      settings: {
        pid: 'P1',
        stepIndex: 3,
        stepDesc: 'lid on',
        guideInfo: [{ label: 'lid', posList: [{ x: 1, y: 2, width: 3, height: 4 }] }],
        userParams: { limit: 7 },
        session: { id: 's', context: { product_code: 'PC', trace_id: 't' } },
      },
    });
    const image = put();
    const reference = put();
    const result = verdict(await call({ image, reference }));
    expect(result.data['step_index']).toBe(3);
    const given = result.debug!;
    const { id, width, height, timestampMs, cameraId } = image;
    expect(given).toMatchObject({
      requestId: result.requestId,
      stepIndex: 3,
      image: { id, width, height, timestampMs, cameraId },
    });
    if (dialect !== 'execute') {
      expect(given).toMatchObject({
        pid: 'P1',
        userParams: { limit: 7 },
        session: { id: 's', context: { product_code: 'PC', trace_id: 't' } },
      });
    }
    // Only the call of SDK 0.3 has a reference picture.
    const knows = dialect === 'auto' || dialect === 'execute' || dialect === 'flat';
    expect(given).toMatchObject(
      knows
        ? { reference: reference.id, same: false, stepDesc: 'lid on', guideInfo: [{ label: 'lid' }] }
        : { reference: id, same: true },
    );
    expect(runner.adapter?.sdkVersion).toBe('test 1');
  });

  it('reports NG with reason, places and message', async () => {
    const { call } = await open('ng');
    expect(verdict(await call({ image: put() }))).toMatchObject({
      outcome: 'ng',
      ngReason: 'scratch',
      message: 'look',
      defectRects: [{ x: 1, y: 2, width: 3, height: 4, label: 'scratch', score: 0.5 }],
      positionRects: [{ x: 5, y: 6, width: 7, height: 8 }],
      flags: [],
    });
  });

  it('prepares once a session when it has preExecute', async () => {
    const { call, runner, logs } = await open('phased', { settings: { pid: 'P1' } });
    expect(runner.adapter?.dialect).toMatchObject({ form: 'phased', pre: true });
    for (let n = 0; n < 2; n += 1) {
      expect(verdict(await call({ image: put() })).calibrationRects).toEqual([
        { x: 1, y: 1, width: 2, height: 2, label: 'mark' },
      ]);
    }
    await runner.close();
    expect(logs.filter(({ message }) => message === 'preparing')).toMatchObject([{ fields: { pid: 'P1' } }]);
    expect(logs.at(-1)).toMatchObject({ level: 'info', message: 'torn down' });
  });

  it('fails the call whose preparation failed', async () => {
    const { call } = await open('pre-throws', { settings: { pid: 'P9' } });
    expect(failure(await call({ image: put() }))).toMatchObject({
      code: 'ALGORITHM_FAILED',
      algorithmCode: { code: '1001', name: 'invalid_pid' },
    });
  });

  it('sends what is printed to the log, anyone who prints', async () => {
    const { call, runner, logs, problems } = await open('print');
    for (let n = 0; n < 2; n += 1) verdict(await call({ image: put() }));
    await runner.close();
    const said = logs.map(({ text }) => text);
    for (const stray of ['console.log', 'write', 'descriptor', 'child']) {
      expect(said.filter((text) => text === `a stray ${stray}`)).toHaveLength(2);
    }
    expect(said).toContain('setting up');
    expect(problems).toEqual([]);
    expect(runner.stats.starts).toBe(1);
  });

  it('gives child processes no way to the messages', async () => {
    const { call } = await open('inherit');
    expect(verdict(await call({ image: put() })).debug).toEqual({ inherited: [] });
  });

  it('answers pings while execute keeps its thread busy', async () => {
    // Asked by itself: the runner pings during a call at its own times. The call ends when the pong is there.
    const { AdapterProbe } = await import('../../../src/runner/adapter-probe.js');
    const { buildCall } = await import('../../../src/adapter/dialects.js');
    const { callSettingsSchema } = await import('../../../src/adapter/dialects.js');
    const probe = new AdapterProbe({
      command: [process.execPath, fixture, 'block'],
      imageDirectory: directory,
      runnerVersion: '1',
    });
    try {
      await probe.next(({ kind }) => kind === 'hello', 30_000);
      const gate = join(directory, 'pong-came');
      const settings = callSettingsSchema.parse({ userParams: { gate } });
      const dialect = { form: 'phased', superset: true, pre: false } as const;
      const image = put();
      probe.process.send(buildCall(dialect, { requestId: 'the-call', phase: 'execute', settings, image }));
      probe.process.ping('the-ping');
      // The pong that the runner itself waits for at the start.
      const isLoaded = (message: JsonObject) => message['request_id'] === 'loaded';
      const order: string[] = [];
      while (order.length < 2) {
        const event = await probe.next((one) => one.kind === 'message' && !isLoaded(one.message), 30_000);
        if (event?.kind !== 'message') throw new Error('the adapter ended');
        const { type, request_id: id } = event.message as { type: string; request_id: string };
        // The host asks one of its own, which tells that the adapter has loaded.
        if (id === 'the-ping' || id === 'the-call') order.push(type);
        if (id === 'the-ping') writeFileSync(gate, '');
      }
      expect(order).toEqual(['pong', 'result']);
    } finally {
      await probe.process.stop();
    }
  });

  it.each([
    ['throw', '1009', 'the lens is dirty'],
    ['reject', '1009', 'later'],
    ['throw-coded', '1001', 'no such product'],
    ['nothing', '1000', 'must return'],
    ['maybe', '1000', 'MAYBE'],
    ['nan', '1000', 'NaN for "score"'],
    ['too-big', '1000', 'at most 16777216'],
  ])('%s fails the call with %s, and goes on', async (behaviour, code, said) => {
    const { call, runner, released } = await open(behaviour);
    for (let n = 0; n < 2; n += 1) {
      const failed = failure(await call({ image: put() }));
      expect(failed.code).toBe('ALGORITHM_FAILED');
      expect(failed.algorithmCode?.code).toBe(code);
      expect(failed.error.message).toContain(said);
    }
    expect(released.count).toBe(2);
    expect(runner.stats).toMatchObject({ starts: 1, crashes: 0 });
  });

  it('sends results of more than a megabyte', async () => {
    const { call } = await open('big');
    expect(verdict(await call({ image: put() })).debug!['blob']).toHaveLength(1_500_000);
  });

  it('answers a host that asks about it, as the validator of SDK 0.0.7 does', async () => {
    const child = spawn(process.execPath, [fixture], { stdio: ['pipe', 'pipe', 'ignore'] });
    const answered = new Promise<JsonObject>((resolve) => {
      const decoder = new MessageDecoder({
        message: (message) => message['type'] === 'result' && resolve(message),
        unusable: () => {},
      });
      child.stdout.on('data', (chunk: Buffer) => decoder.push(chunk));
    });
    child.stdin.write(encodeMessage({ type: 'call', request_id: 'i', data: { phase: 'info' } }));
    expect(await answered).toMatchObject({
      request_id: 'i',
      status: 'OK',
      data: { phase: 'info', step_index: 0, info: { version: 'test 1', supported_pids: ['P1'], steps: [] } },
    });
    child.stdin.end();
    await new Promise((resolve) => child.once('close', resolve));
  });

  it.each([
    ['exit', { exitCode: 3 }],
    ['uncaught', { exitCode: 1, reason: 'exception' }],
  ])('%s ends the adapter at once, which the runner sees', async (behaviour, known) => {
    const { call } = await open(behaviour);
    expect(failure(await call({ image: put() })).error).toMatchObject({
      code: 'RUNNER_EXITED',
      context: known,
    });
  });

  it('says why it cannot be set up', async () => {
    const { runner, problems } = observe([process.execPath, fixture, 'setup'], {
      timings: { crashLimit: 1 },
    });
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED', context: { exitCode: 1 } });
    expect(problems[0]!.message).toContain('setup failed: no such model');
  });

  it('tears down and ends when the host is gone without a word', async () => {
    const child = spawn(process.execPath, [fixture], { stdio: ['pipe', 'pipe', 'pipe'] });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.stdin.end();
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code).toBe(0);
    expect(log).toContain('torn down');
  });

  it.each([
    ['a file', 2],
    ['a file that is cut short', 1],
    ['/dev/null', 0],
  ])('answers the messages of %s, then ends', async (name, answered) => {
    const { buildCall } = await import('../../../src/adapter/dialects.js');
    const { callSettingsSchema } = await import('../../../src/adapter/dialects.js');
    const settings = callSettingsSchema.parse({});
    const dialect = { form: 'execute', superset: true, pre: false } as const;
    const calls = ['first', 'second'].map((requestId) =>
      encodeMessage(buildCall(dialect, { requestId, phase: 'execute', settings, image: put() })),
    );
    const recorded = Buffer.concat(calls);
    const path = join(directory, 'recorded');
    writeFileSync(path, name === 'a file' ? recorded : recorded.subarray(0, -5));
    const input = openSync(name === '/dev/null' ? name : path, 'r');
    const child = spawn(process.execPath, [fixture], { stdio: [input, 'pipe', 'pipe'] });
    closeSync(input);
    const messages: JsonObject[] = [];
    const decoder = new MessageDecoder({ message: (message) => messages.push(message), unusable: () => {} });
    child.stdout!.on('data', (chunk: Buffer) => decoder.push(chunk));
    let log = '';
    child.stderr!.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    const code = await new Promise((resolve) => child.once('close', resolve));
    expect(code, log).toBe(0);
    expect(log).toContain('torn down');
    expect(messages.map(({ type, request_id }) => request_id ?? type)).toEqual(
      ['hello', 'first', 'second'].slice(0, 1 + answered),
    );
  });

  it('ends with an error when the host sends no messages', async () => {
    const child = spawn(process.execPath, [fixture], { stdio: ['pipe', 'ignore', 'pipe'] });
    let log = '';
    child.stderr.on('data', (chunk: Buffer) => {
      log += chunk.toString();
    });
    child.stdin.end('hello\n');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(1);
    expect(log).toContain('announced a message of 1751477356 bytes');
  });
});

describe('pictures', () => {
  it('are read as JPEG bytes', async () => {
    const { call } = await open('jpeg');
    expect(verdict(await call({ image: put() })).debug).toEqual({ bytes: jpeg.length });
    const odd = put(jpeg, { id: 'dev-shm:cam/1 \u{1F4F7}.7' });
    expect(verdict(await call({ image: odd })).debug).toEqual({ bytes: jpeg.length });
  });

  it('are decoded to RGB and to grey', async () => {
    const rgb = await open('pixels');
    const { debug } = verdict(await rgb.call({ image: put() }));
    expect(debug).toMatchObject({
      width: WIDTH,
      height: HEIGHT,
      channels: 3,
      bytes: WIDTH * HEIGHT * 3,
    });
    const [red, green, blue] = debug!['first'] as number[];
    expect(red).toBeGreaterThan(240);
    expect(Math.max(green!, blue!)).toBeLessThan(25);
    const grey = await open('pixels', { settings: { userParams: { kind: 'grey' } } });
    expect(verdict(await grey.call({ image: put() })).debug).toMatchObject({
      channels: 1,
      bytes: WIDTH * HEIGHT,
    });
  });

  it.each(['jpeg', 'pixels'])('that cannot be trusted never become a verdict (%s)', async (behaviour) => {
    const { call } = await open(behaviour);
    const wrong: ImageReference[] = [
      picture({ id: 'not-there', width: WIDTH, height: HEIGHT }),
      put(jpeg.subarray(0, jpeg.length / 2)),
      put(Buffer.alloc(0)),
      put(Buffer.from('GIF89a')),
    ];
    if (behaviour === 'pixels') wrong.push(put(jpeg, { width: WIDTH + 1 }), put(spoilt()));
    for (const image of wrong) {
      expect(failure(await call({ image })).algorithmCode).toEqual({
        code: '1002',
        name: 'image_load_failed',
      });
    }
  });
});

/** Whole to look at, from its first marker to its last, with nothing in between. */
function spoilt(): Buffer {
  return Buffer.concat([jpeg.subarray(0, 200), Buffer.from([0xff, 0xd9])]);
}
