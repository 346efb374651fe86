import { describe, expect, it } from 'vitest';
import { failure, node, observe, sdk, until, verdict } from './support.js';

describe('a crash', () => {
  it.each([
    ['exit', { exitCode: 3, signal: null }],
    ['exit-0', { exitCode: 0, signal: null }],
    ['segfault', { exitCode: null, signal: 'SIGSEGV', stderr: expect.arrayContaining(['about to crash']) }],
  ])(
    'in execute (%s) fails the call with what is known, and the adapter comes back',
    async (behaviour, known) => {
      const { call, runner, states, problems, released } = observe(sdk('0.3', behaviour));
      await runner.start();
      const { error } = failure(await call());
      expect(error.code).toBe('RUNNER_EXITED');
      expect(error.context).toMatchObject(known);
      expect(released.count).toBe(1);
      expect(await runner.whenReady()).toBe(true);
      expect(states).toEqual(['starting', 'loading', 'ready', 'restarting', 'starting', 'loading', 'ready']);
      expect(problems).toEqual([error]);
    },
  );

  it('in pre fails the call', async () => {
    const { call, runner } = observe(sdk('0.0', 'exit-in-pre'));
    await runner.start();
    expect(failure(await call()).error).toMatchObject({ code: 'RUNNER_EXITED', context: { exitCode: 4 } });
  });

  it('in the middle of a result fails the call', async () => {
    const { call, runner } = observe(node('half-result-then-exit'));
    await runner.start();
    expect(failure(await call()).error).toMatchObject({ code: 'RUNNER_EXITED', context: { exitCode: 1 } });
  });

  it('right after a result does not take the result back', async () => {
    const { call, runner } = observe(node('exit-after-result'));
    await runner.start();
    verdict(await call());
    await until(() => runner.stats.starts === 2 && runner.state === 'ready');
    verdict(await call());
    expect(runner.stats).toMatchObject({ ok: 2, failed: 0 });
  });

  it('after a result is a first one again: the wait does not grow', async () => {
    // Doubled 20 times, a wait of a millisecond would outlast this test.
    const timings = { backoffMinMs: 1, backoffMaxMs: 2 ** 30, crashLimit: 1_000 };
    const { call, runner } = observe(node('exit-after-result'), { timings });
    await runner.start();
    for (let crashes = 1; crashes <= 20; crashes += 1) {
      verdict(await call());
      await until(() => runner.stats.crashes === crashes);
      await runner.whenReady();
    }
    expect(runner.stats.starts).toBe(21);
  });

  it('does not take waiting calls with it: they get the next adapter', async () => {
    const { call, runner } = observe(node('half-result-then-exit'));
    await runner.start();
    const results = await Promise.all([call(), call(), call()]);
    expect(results.map((result) => failure(result).error.code)).toEqual(Array(3).fill('RUNNER_EXITED'));
    expect(runner.stats.crashes).toBe(3);
  });

  it('asks for pre again: the new adapter knows nothing of the session', async () => {
    const { call, runner, logs } = observe(sdk('0.0', 'exit'));
    await runner.start();
    await call();
    await call();
    expect(logs.filter((line) => line.text.includes('pre_execute'))).toHaveLength(2);
  });
});

describe('the breaker', () => {
  it('trips at the fifth crash within a minute, and fails what waits and what comes', async () => {
    const { call, runner, states, problems, released } = observe(sdk('0.3', 'exit'));
    await runner.start();
    const results = await Promise.all(Array.from({ length: 7 }, () => call()));
    expect(results.map((result) => failure(result).error.code)).toEqual(Array(7).fill('RUNNER_EXITED'));
    expect(runner.state).toBe('failed');
    expect(states.at(-1)).toBe('failed');
    expect(problems).toHaveLength(5);
    expect(runner.stats).toMatchObject({ crashes: 5, starts: 5 });
    expect(runner.failure?.message).toContain('failed 5 times within 60 s');
    expect(failure(await call()).error).toBe(runner.failure);
    expect(await runner.whenReady()).toBe(false);
    expect(released.count).toBe(8);
  });

  it('lets a failed runner be started again', async () => {
    const { call, runner } = observe(node('exit-after-result'), { timings: { crashLimit: 1 } });
    await runner.start();
    verdict(await call());
    await until(() => runner.state === 'failed');
    await runner.start();
    verdict(await call());
  });
});

describe('an adapter that cannot start', () => {
  it('is tried until the breaker trips', async () => {
    const { runner, problems } = observe(sdk('0.3', 'exit-at-start'));
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED', context: { exitCode: 1 } });
    expect(problems).toHaveLength(5);
    expect(runner.failure?.message).toContain("No module named 'torch'");
  });

  it('may exit before its hello, in Node too', async () => {
    const { runner } = observe(node('exit-before-hello'), { timings: { crashLimit: 1 } });
    await expect(runner.start()).rejects.toMatchObject({ context: { exitCode: 7 } });
  });

  it('and says why after its hello is quoted', async () => {
    const { call, runner, problems } = observe(sdk('0.3', 'import-failure'), { timings: { crashLimit: 2 } });
    const early = call();
    await runner.start();
    await until(() => runner.state === 'failed');
    expect(failure(await early).error.message).toContain("No module named 'torch'");
    expect(problems[0]!.context).toMatchObject({ errorCode: '1000' });
    expect(runner.failure?.context).toMatchObject({ exitCode: 0, reported: "No module named 'torch'" });
  });

  it.each([
    ['a missing command', ['no-such-program-here', '--x'], 'no-such-program-here was not found'],
    ['a file that is no program', [import.meta.filename], 'may not be executed'],
  ])('%s is reported at once', async (_name, command, said) => {
    const { call, runner, states } = observe(command);
    const early = call();
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_NOT_FOUND' });
    expect(runner.failure?.message).toContain(said);
    expect(runner.stats.starts).toBe(1);
    expect(states.at(-1)).toBe('failed');
    expect(failure(await early).error.code).toBe('RUNNER_NOT_FOUND');
  });

  it('a missing working directory is not taken for a missing command', async () => {
    const { runner } = observe(node(), { cwd: '/no/such/directory' });
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_NOT_FOUND' });
    expect(runner.failure?.message).toContain('/no/such/directory does not exist');
  });
});

describe('pipes', () => {
  it('closed at the adapter while it runs on get it restarted', async () => {
    const { call, runner, problems, logs } = observe(sdk('0.3', 'close-stdin'), {
      timings: { brokenPipeMs: 50, callMs: 20_000 },
    });
    await runner.start();
    verdict(await call());
    await until(() => logs.some((line) => line.text.includes('stdin is closed')));
    // The write that meets a closed pipe raises EPIPE here; the call it was for fails with the adapter.
    const { error } = failure(await call());
    expect(error.code).toBe('RUNNER_EXITED');
    expect(error.message).toContain('closed its stdin');
    expect(await runner.whenReady()).toBe(true);
    expect(problems).toEqual([error]);
  });

  it('closed right after the hello do no harm either', async () => {
    const { call, runner } = observe(sdk('0.3', 'closed-stdin'), {
      timings: { brokenPipeMs: 50, crashLimit: 2 },
    });
    const results = await Promise.all([runner.start().catch(() => undefined), call(), call()]);
    expect(results.slice(1)).toMatchObject([{ outcome: 'failed' }, { outcome: 'failed' }]);
  });

  it('closed for its answers are noticed without a call time-out', async () => {
    const { call, runner } = observe(node('closed-stdout'), {
      timings: { brokenPipeMs: 50, callMs: 20_000 },
    });
    await runner.start();
    expect(failure(await call()).error.message).toContain('closed its stdout');
  });
});
