import { realpathSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { failure, fixture, node, observe, picture, sdk, until, verdict } from './support.js';

interface Echo {
  call: {
    request_id: string;
    data?: Record<string, unknown>;
    payload?: Record<string, unknown>;
    method?: string;
  };
  env: Record<string, string>;
  cwd: string;
}
const echoOf = (debug: unknown) => debug as Echo;

describe('a well-behaved adapter', () => {
  it.each([
    ['in Node', node(), '9.9.9'],
    ['of SDK 0.3', sdk('0.3'), '0.3.9'],
    ['of SDK 0.0', sdk('0.0'), '0.0.9'],
  ])('%s says hello, answers calls and ends when asked to', async (_name, command, version) => {
    const { runner, call, states, problems, released } = observe(command);
    await runner.start();
    expect(await runner.whenReady()).toBe(true);
    expect(runner.adapter?.sdkVersion).toBe(version);
    for (let n = 0; n < 3; n += 1) {
      const result = verdict(await call());
      expect(result).toMatchObject({
        outcome: 'ok',
        status: 'OK',
        resultStatus: 'OK',
        defectRects: [],
        flags: [],
      });
      expect(result.latencyMs).toBeGreaterThan(0);
    }
    await runner.close();
    expect(states).toEqual(['starting', 'loading', 'ready', 'closing', 'closed']);
    expect(released.count).toBe(3);
    expect(problems).toEqual([]);
    expect(runner.stats).toEqual({
      calls: 3,
      ok: 3,
      ng: 0,
      failed: 0,
      timeouts: 0,
      retries: 0,
      late: 0,
      duplicate: 0,
      unknown: 0,
      starts: 1,
      crashes: 0,
      logLinesLeftOut: 0,
    });
  });

  it('gets the environment, the directory and the hello it needs', async () => {
    const cwd = realpathSync(fixture('..'));
    const { call, logs, runner } = observe(sdk('0.3'), {
      cwd,
      imageDirectory: '/dev/shm/pictures',
      entryPoint: 'main:Algorithm',
      logLevel: 'debug',
      env: { EXTRA: 'yes' },
    });
    await runner.start();
    const echo = echoOf(verdict(await call()).debug);
    expect(echo.cwd).toBe(cwd);
    expect(echo.env).toMatchObject({
      PROC_SHM_DIR: '/dev/shm/pictures',
      PROC_ALGO_ROOT: cwd,
      PROC_ENTRY_POINT: 'main:Algorithm',
      PROC_STRICT_STDIO: '0',
      PROC_LOG_LEVEL: 'debug',
      EXTRA: 'yes',
      HOME: process.env['HOME'],
    });
    await until(() => logs.some((line) => line.text.includes('runner hello')));
    const hello = JSON.parse(logs.find((line) => line.text.includes('runner hello'))!.text);
    expect(hello.level).toBe('debug');
    expect(JSON.parse(hello.message.slice('runner hello '.length))).toEqual({
      type: 'hello',
      runner_version: '1.2.3',
      heartbeat_interval_ms: 5000,
      heartbeat_grace_ms: 2000,
    });
  });

  it('answers one call at a time, in order', async () => {
    const { call, runner } = observe(sdk('0.3', 'slow'));
    await runner.start();
    const order: number[] = [];
    const results = await Promise.all(
      [1, 2, 3].map(async (n) => {
        const result = verdict(await call());
        order.push(n);
        return result.requestId;
      }),
    );
    expect(order).toEqual([1, 2, 3]);
    expect(new Set(results).size).toBe(3);
  });

  it('reports NG with its reason and places', async () => {
    const { call, runner } = observe(sdk('0.3', 'ng'));
    await runner.start();
    expect(verdict(await call())).toMatchObject({
      outcome: 'ng',
      ngReason: 'scratch',
      defectRects: [{ x: 1, y: 2, width: 3, height: 4, label: 'scratch', score: 0.5 }],
      flags: [],
    });
    expect(runner.stats).toMatchObject({ ng: 1, ok: 0 });
  });
});

describe('dialects', () => {
  const image = picture({ id: 'same' });

  it.each([
    ['0.3', 'auto'],
    ['0.3', 'execute'],
    ['0.3', 'flat'],
    ['0.0', 'auto'],
    ['0.0', 'phased'],
    ['0.0', 'flat'],
  ] as const)('SDK %s understands %s', async (generation, dialect) => {
    const { call, runner, logs } = observe(sdk(generation), { dialect, settings: { stepIndex: 3 } });
    await runner.start();
    const first = verdict(await call({ image }));
    const second = verdict(await call({ image }));
    expect(second.data['step_index']).toBe(3);
    const sent = echoOf(second.debug).call;
    expect(sent.request_id).toBe(second.requestId);
    const fields = sent.data ?? sent;
    expect(fields).toMatchObject(
      generation === '0.3'
        ? { cur_image_shm_id: 'same', guide_image_shm_id: 'same' }
        : { shared_mem_id: 'same' },
    );
    await runner.close();
    // One `pre` a session, for the generation that has it.
    expect(logs.filter((line) => line.text.includes('pre_execute'))).toHaveLength(
      generation === '0.0' ? 1 : 0,
    );
    const rects = [{ x: 10, y: 20, width: 30, height: 40, label: 'mark' }];
    for (const result of [first, second]) {
      expect(result.calibrationRects).toEqual(generation === '0.0' ? rects : undefined);
    }
  });

  it('writes method and payload when asked to, which SDK 0.0 runs with empty arguments', async () => {
    const { call, runner } = observe(sdk('0.0'), { dialect: 'method' });
    await runner.start();
    const sent = echoOf(verdict(await call({ image })).debug).call;
    expect(sent).toMatchObject({ method: 'execute', payload: { shared_mem_id: 'same' } });
    expect(sent.data).toBeUndefined();
  });

  it('fails calls in a dialect the adapter does not speak', async () => {
    const { call, runner } = observe(sdk('0.3'), { dialect: 'phased' });
    await runner.start();
    const error = failure(await call()).error;
    expect(error.message).toContain('missing cur_image_shm_id');
    expect(error.context).toMatchObject({ errorCode: '1000' });
  });
});

describe('pre', () => {
  it('that fails costs its call, and the next call tries again', async () => {
    const { call, runner, released } = observe(sdk('0.0', 'error-in-pre'));
    await runner.start();
    for (let n = 0; n < 2; n += 1) {
      expect(failure(await call()).error.message).toContain('product not supported');
    }
    expect(released.count).toBe(2);
    expect(runner.state).toBe('ready');
  });
});

describe('an algorithm that fails', () => {
  it.each([
    ['raise', 'ALGORITHM_FAILED', 'the lens is dirty'],
    ['error', 'ALGORITHM_FAILED', 'no such product'],
    ['return-none', 'ALGORITHM_FAILED', 'invalid execute return'],
    ['no-status', 'RUNNER_PROTOCOL', 'result_status'],
  ])('%s: the call fails and the adapter goes on', async (behaviour, code, said) => {
    const { call, runner, released } = observe(sdk('0.3', behaviour));
    await runner.start();
    for (let n = 0; n < 2; n += 1) {
      const failed = failure(await call());
      expect(failed.code).toBe(code);
      expect(failed.error.code).toBe(code);
      expect(failed.error.message).toContain(said);
    }
    expect(released.count).toBe(2);
    expect(runner.stats).toMatchObject({ failed: 2, crashes: 0, starts: 1 });
  });
});

describe('submit', () => {
  it.each([
    ['no width', { width: 0 }],
    ['no height', { height: 0 }],
    ['a fraction of a pixel', { width: 1.5 }],
    ['no id', { id: '' }],
  ])('never announces a picture with %s', async (_name, wrong) => {
    const { call, runner, released } = observe(node());
    await runner.start();
    expect(failure(await call({ image: picture(wrong) })).error.code).toBe('FRAME_CORRUPT');
    expect(failure(await call({ reference: picture(wrong) })).error.code).toBe('FRAME_CORRUPT');
    expect(released.count).toBe(2);
  });

  it('takes calls before the adapter is ready', async () => {
    const { call, runner } = observe(sdk('0.0'));
    const early = call();
    await runner.start();
    expect((await early).outcome).toBe('ok');
  });

  it('bounds the line of waiting calls', async () => {
    const { call, runner, released } = observe(node());
    const calls = Array.from({ length: 70 }, () => call());
    await runner.start();
    const results = await Promise.all(calls);
    expect(results.filter((result) => result.outcome === 'ok')).toHaveLength(64);
    expect(results.slice(64).map((result) => failure(result).error.code)).toEqual(Array(6).fill('INTERNAL'));
    expect(released.count).toBe(70);
  });

  it('fails a call whose settings do not fit into a message, and goes on', async () => {
    const { call, runner } = observe(node(), { settings: { userParams: { blob: 'x'.repeat(3_000_000) } } });
    await runner.start();
    expect(failure(await call()).error.code).toBe('OPTION_INVALID');
    expect(failure(await call()).error.code).toBe('OPTION_INVALID');
    expect(await runner.whenReady()).toBe(true);
    expect(runner.stats.starts).toBe(1);
  });

  it('reports a release that throws and goes on', async () => {
    const { call, runner, problems } = observe(node());
    await runner.start();
    const release = () => {
      throw new Error('already gone');
    };
    expect((await call({ release })).outcome).toBe('ok');
    expect((await call()).outcome).toBe('ok');
    expect(problems.map((error) => error.message)).toEqual(['already gone']);
  });
});
