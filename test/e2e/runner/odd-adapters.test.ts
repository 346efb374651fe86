/** Adapters that say too much, too deep or too large: it costs them, and nothing else. */
import { describe, expect, it } from 'vitest';
import { mayPass, refusesPid } from '../../../src/adapter/index.js';
import { failure, node, observe, sdk, until, verdict } from './support.js';

describe('an answer', () => {
  it('nested 5,000 deep gets its adapter restarted, and another is not affected', async () => {
    const other = observe(node());
    const { call, runner } = observe(node('deep'));
    await Promise.all([other.runner.start(), runner.start()]);
    const { error } = failure(await call());
    expect(error.code).toBe('RUNNER_PROTOCOL');
    expect(error.message).toContain('nested more than 64 deep');
    expect(await runner.whenReady()).toBe(true);
    expect(runner.stats).toMatchObject({ starts: 2, crashes: 1 });
    verdict(await other.call());
    expect(other.runner.stats.starts).toBe(1);
  });

  it('above the limit fails its call, says so, and keeps the adapter', async () => {
    const { call, runner, problems } = observe(node('large-3000000'), { maxResultBytes: 1_000_000 });
    await runner.start();
    for (let n = 0; n < 2; n += 1) {
      const { error } = failure(await call());
      expect(error.code).toBe('RUNNER_PROTOCOL');
      expect(error.message).toMatch(/result has 3\d{6} bytes; at most 1000000 are allowed/);
      expect(error.context['options']).toEqual(['maxResultBytes']);
    }
    expect(problems).toEqual([]);
    expect(runner.stats).toMatchObject({ starts: 1, failed: 2 });
  });

  it('of several megabytes is a verdict', async () => {
    const { call, runner } = observe(node('large-10000000'));
    await runner.start();
    expect(verdict(await call()).debug!['blob']).toHaveLength(10_000_000);
  });
});

describe('a log', () => {
  it('that floods is bounded, counted, and does not hold up the calls', async () => {
    const { call, runner, logs } = observe(node('flood'));
    await runner.start();
    for (let n = 0; n < 20; n += 1) verdict(await call());
    // 2,000 lines a call, and one of 5 MB.
    await until(() => runner.stats.logLinesLeftOut > 20 * 1_900);
    await runner.close();
    const noted = logs.filter(({ text }) => text.includes('were left out: at most 100 a second are kept'));
    expect(noted.length).toBeGreaterThan(0);
    const said = noted.reduce((sum, { text }) => sum + Number(text.split(' ')[0]), 0);
    expect(said).toBe(runner.stats.logLinesLeftOut);
    expect(logs.length - noted.length + said).toBe(20 * 2_001);
  });

  it('line of 5 MB is cut, and its control characters escaped', async () => {
    const { call, runner, logs } = observe(node('long-line'));
    await runner.start();
    verdict(await call());
    await runner.close();
    const [line] = logs;
    expect(line!.text).toMatch(/^\\u001b\]0;x\\u0007x+\.\.\. \(\d{7} more characters\)$/);
    expect(line!.text.length).toBeLessThan(20_000);
  });
});

describe('a failure that may pass', () => {
  it.each([
    ['error-1004', 'out of memory'],
    ['error-1005', 'a time-out'],
    ['error-busy', 'busy'],
  ])('%s is tried once more with the same frame (%s)', async (behaviour) => {
    const { call, runner, released } = observe(node(`${behaviour}-once`), { retry: true });
    await runner.start();
    verdict(await call());
    expect(released.count).toBe(1);
    expect(runner.stats).toMatchObject({ calls: 1, ok: 1, failed: 0, retries: 1 });
    const always = observe(node(behaviour), { retry: true });
    await always.runner.start();
    expect(failure(await always.call()).code).toBe('ALGORITHM_FAILED');
    expect(always.runner.stats).toMatchObject({ failed: 1, retries: 1 });
    const never = observe(node(`${behaviour}-once`));
    await never.runner.start();
    expect(failure(await never.call()).code).toBe('ALGORITHM_FAILED');
  });

  it('a call that took too long is given to the next adapter', async () => {
    const { call, runner } = observe(node('hang'), { retry: true, timings: { callMs: 200, killMs: 200 } });
    await runner.start();
    expect(failure(await call()).code).toBe('RUNNER_TIMEOUT');
    expect(runner.stats).toMatchObject({ calls: 1, failed: 1, retries: 1, timeouts: 2 });
    expect(runner.stats.starts).toBeGreaterThan(1);
  });

  it.each(['error-1001', 'error-1002', 'error-1003'])('%s cannot pass', async (behaviour) => {
    const { call, runner } = observe(node(behaviour), { retry: true, settings: { pid: 'P-7' } });
    await runner.start();
    const messages = [];
    for (let n = 0; n < 2; n += 1) messages.push(failure(await call()).error.message);
    expect(runner.stats).toMatchObject({ failed: 2, retries: 0 });
    const hints = messages.map((message) => message.includes('product id "P-7": set pid'));
    expect(hints).toEqual([behaviour === 'error-1001', false]);
  });
});

describe('what an error means', () => {
  it.each<[string | undefined, string, boolean]>([
    ['1004', 'no', true],
    ['1005', 'no', true],
    ['1000', 'The algorithm reports an error 1000: busy', true],
    ['1009', 'CUDA out of memory. Tried to allocate 2 GiB', true],
    [undefined, 'camera timed out', true],
    ['1001', 'timeout', false],
    ['1002', 'out of memory', false],
    ['1003', 'busy', false],
    ['1009', 'division by zero', false],
    [undefined, 'the lens is dirty', false],
  ])('%s, "%s" may pass: %s', (code, said, expected) => {
    expect(mayPass(code, said)).toBe(expected);
  });

  it.each<[string | undefined, string, boolean]>([
    ['1001', 'no', true],
    [undefined, '不支持的产品型号: X', true],
    [undefined, 'unsupported pid: X', true],
    ['1009', 'pid', false],
    [undefined, 'rapid', false],
  ])('%s, "%s" refuses the product id: %s', (code, said, expected) => {
    expect(refusesPid(code, said)).toBe(expected);
  });
});

describe('pre_execute', () => {
  it.each([
    ['session', 1],
    ['frame', 3],
    ['never', 0],
  ] as const)('%s', async (preExecute, times) => {
    const { call, runner, logs } = observe(sdk('0.0'), { preExecute });
    await runner.start();
    for (let n = 0; n < 3; n += 1) {
      expect(verdict(await call()).calibrationRects).toEqual(times === 0 ? undefined : [expect.anything()]);
    }
    await runner.close();
    expect(logs.filter((line) => line.text.includes('pre_execute'))).toHaveLength(times);
  });
});

describe('an end', () => {
  it('before a heartbeat restart lets the adapter tear down', async () => {
    const { runner, logs, problems } = observe(sdk('0.3', 'no-pong'), {
      timings: { heartbeatIntervalMs: 30, heartbeatGraceMs: 20, shutdownMs: 10_000 },
    });
    await runner.start();
    await until(() => runner.stats.starts === 2);
    expect(problems[0]!.message).toContain('2 pings unanswered');
    expect(logs.some(({ text }) => text.includes('teardown'))).toBe(true);
  });

  it('that needed SIGTERM says so', async () => {
    const { runner, logs } = observe(sdk('0.3', 'stubborn'), { timings: { shutdownMs: 50, killMs: 100 } });
    await runner.start();
    await runner.whenReady();
    await runner.close();
    expect(logs.at(-1)).toMatchObject({
      level: 'warn',
      text: 'the algorithm did not end within 50 ms of the shutdown message and gets SIGTERM',
    });
  });
});

it('calls and pings carry their time, pictures their colour space', async () => {
  const { call, runner } = observe(node('echo'), { timings: { heartbeatIntervalMs: 20 } });
  await runner.start();
  await runner.whenReady();
  await new Promise((resolve) => setTimeout(resolve, 100));
  const before = Date.now();
  const { debug } = verdict(await call());
  const { message, ping } = debug as Record<string, { timestamp_ms: number; data: object }>;
  for (const { timestamp_ms } of [message!, ping!]) {
    expect(timestamp_ms).toBeGreaterThan(before - 10_000);
    expect(timestamp_ms).toBeLessThanOrEqual(Date.now());
  }
  expect(message!.data).toMatchObject({ image_meta: { color_space: 'RGB' } });
});
