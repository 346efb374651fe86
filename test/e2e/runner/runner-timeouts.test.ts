import { describe, expect, it } from 'vitest';
import { alive, failure, node, observe, sdk, until, verdict } from './support.js';

describe('a hanging adapter', () => {
  it.each([
    ['in execute', sdk('0.3', 'hang'), { callMs: 100 }, 'execute'],
    ['in execute, deaf to SIGTERM', sdk('0.3', 'hang-stubborn'), { callMs: 100, killMs: 100 }, 'execute'],
    ['in pre', sdk('0.0', 'hang-in-pre'), { preMs: 100 }, 'pre_execute'],
  ])('%s costs its call and is replaced', async (_name, command, timings, what) => {
    const { call, runner, problems, released } = observe(command, { timings });
    await runner.start();
    const pid = runner.adapter!.pid!;
    const { error } = failure(await call());
    expect(error.code).toBe('RUNNER_TIMEOUT');
    expect(error.message).toContain(`did not answer ${what} within 100 ms`);
    expect(released.count).toBe(1);
    expect(await runner.whenReady()).toBe(true);
    // Never two adapters at a time: they may share a GPU.
    expect(alive(pid)).toBe(false);
    expect(runner.adapter?.pid).not.toBe(pid);
    expect(problems).toEqual([error]);
    expect(runner.stats).toMatchObject({ timeouts: 1, crashes: 1 });
  });

  it('in the middle of a message is found out before the call time-out', async () => {
    const { call, runner } = observe(node('half-result-then-silence'), {
      timings: { partialMessageMs: 100 },
    });
    await runner.start();
    const { error } = failure(await call());
    expect(error.code).toBe('RUNNER_PROTOCOL');
    expect(error.message).toContain('in the middle of a message');
    expect(error.message).toContain('"type');
  });

  it('that never says hello is given up after its start-up time', async () => {
    const { runner, problems } = observe(sdk('0.3', 'silent'), { timings: { startupMs: 150 } });
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_TIMEOUT' });
    expect(problems.map((error) => error.code)).toEqual(['RUNNER_TIMEOUT']);
    expect(runner.stats.starts).toBe(1);
    expect(problems[0]!.message).toContain('hello within 150 ms');
  });
});

describe('a slow adapter', () => {
  it('is not killed for pongs it cannot send while it works', async () => {
    const { call, runner } = observe(sdk('0.3', 'slow'), {
      timings: { heartbeatIntervalMs: 20, heartbeatGraceMs: 20 },
    });
    await runner.start();
    verdict(await call());
    verdict(await call());
    expect(runner.stats).toMatchObject({ ok: 2, crashes: 0, starts: 1 });
  });
});

describe('heartbeat', () => {
  it('leaves an adapter alone that answers', async () => {
    const { call, runner, problems } = observe(sdk('0.3'), {
      timings: { heartbeatIntervalMs: 20, heartbeatGraceMs: 5_000 },
    });
    await runner.start();
    await new Promise((resolve) => setTimeout(resolve, 300));
    verdict(await call());
    expect(problems).toEqual([]);
    expect(runner.stats.starts).toBe(1);
  });

  it('restarts an idle adapter that missed two', async () => {
    const { runner, problems } = observe(node('no-pong'), {
      timings: { heartbeatIntervalMs: 30, heartbeatGraceMs: 20 },
    });
    await runner.start();
    await until(() => runner.stats.starts === 2 && runner.state === 'ready');
    expect(problems[0]).toMatchObject({ code: 'RUNNER_TIMEOUT' });
    expect(problems[0]!.message).toContain('2 pings unanswered');
  });
});
