import { describe, expect, it } from 'vitest';
import { alive, children, failure, node, observe, sdk, until, verdict } from './support.js';

/** Handles of this process that a runner could leave behind. */
function handles(): string[] {
  return process.getActiveResourcesInfo().filter((name) => name === 'ProcessWrap' || name === 'PipeWrap');
}

describe('close', () => {
  it('asks the adapter to end and waits for it', async () => {
    const { runner, logs } = observe(sdk('0.3'));
    await runner.start();
    const pid = runner.adapter!.pid!;
    await runner.close();
    expect(alive(pid)).toBe(false);
    // It came to its own end: after the shutdown message it tears down.
    expect(logs.some((line) => line.text.includes('teardown'))).toBe(true);
    expect(runner.adapter).toBeUndefined();
  });

  it('is idempotent, and final', async () => {
    const { runner, call, states } = observe(node());
    await runner.start();
    await Promise.all([runner.close(), runner.close()]);
    await runner.close();
    expect(states.filter((state) => state === 'closed')).toHaveLength(1);
    expect(failure(await call()).error.code).toBe('RUNNER_EXITED');
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED' });
  });

  it('before start and while starting leaves nothing running', async () => {
    const never = observe(node());
    await never.runner.close();
    expect(never.states).toEqual(['closing', 'closed']);

    const early = observe(sdk('0.3', 'silent'), { timings: { shutdownMs: 50 } });
    const starting = expect(early.runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED' });
    await early.runner.close();
    await starting;
    expect(children()).toEqual([]);
  });

  it('while a restart is waited for leaves nothing to happen', async () => {
    const timings = { backoffMinMs: 100 };
    const { runner, states } = observe(sdk('0.3', 'exit-at-start'), { timings });
    const starting = expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED' });
    await until(() => states.includes('restarting'));
    await runner.close();
    await starting;
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(runner.stats.starts).toBe(1);
    expect(runner.state).toBe('closed');
  });

  it('from inside a callback stops the restarts', async () => {
    const { runner, problems } = observe(sdk('0.3', 'exit-at-start'));
    const closing = new Promise<void>((resolve) => {
      const { push } = problems;
      problems.push = (...errors) => {
        resolve(runner.close());
        return push.apply(problems, errors);
      };
    });
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED' });
    await closing;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(runner.state).toBe('closed');
    expect(runner.stats.starts).toBe(1);
  });

  it('fails the call in flight and those that wait, and releases their pictures', async () => {
    const { runner, call, released } = observe(sdk('0.3', 'hang'), { timings: { shutdownMs: 50 } });
    await runner.start();
    const calls = [call(), call(), call()];
    await new Promise((resolve) => setTimeout(resolve, 50));
    await runner.close();
    for (const result of await Promise.all(calls)) expect(failure(result).error.code).toBe('RUNNER_EXITED');
    expect(released.count).toBe(3);
    expect(children()).toEqual([]);
  });

  it('ends an adapter that ignores both the message and SIGTERM', async () => {
    const { runner } = observe(sdk('0.3', 'stubborn'), { timings: { shutdownMs: 50, killMs: 100 } });
    await runner.start();
    const pid = runner.adapter!.pid!;
    await runner.close();
    expect(alive(pid)).toBe(false);
  });

  it('leaves no process, no pipe and no timer', async () => {
    const before = handles();
    const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    const observed = [node(), sdk('0.0'), node('no-pong')].map((command) => observe(command));
    await Promise.all(observed.map(({ runner }) => runner.start()));
    expect(handles().length).toBeGreaterThan(before.length);
    await Promise.all(observed.map(({ call }) => call()));
    await Promise.all(observed.map(({ runner }) => runner.close()));
    await until(() => handles().length <= before.length);
    await until(() => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length <= timers);
    expect(children()).toEqual([]);
    expect(process.listeners('exit').filter((listener) => listener.name === 'killAll')).toEqual([]);
  });
});

describe('what an adapter started', () => {
  const grandchildOf = (logs: readonly { text: string }[]) =>
    Number(/grandchild (\d+)/.exec(logs.map((line) => line.text).join('\n'))?.[1]);

  it.each([
    ['is closed', async (runner: { close(): Promise<void> }) => runner.close()],
    ['crashes', async (_runner: unknown, pid: number) => void process.kill(pid, 'SIGKILL')],
  ])('dies with it when it %s', async (_how, end) => {
    const { runner, logs, call } = observe(sdk('0.3', 'grandchild'), { timings: { crashLimit: 1 } });
    await runner.start();
    verdict(await call());
    await until(() => Number.isInteger(grandchildOf(logs)));
    const grandchild = grandchildOf(logs);
    expect(alive(grandchild)).toBe(true);
    await end(runner, runner.adapter!.pid!);
    await until(() => runner.state === 'closed' || runner.state === 'failed');
    await until(() => !alive(grandchild));
    expect(alive(grandchild)).toBe(false);
  });

  it('does not hold up the close when it left the group and keeps the pipes', async () => {
    const { runner, logs } = observe(sdk('0.3', 'daemon'));
    await runner.start();
    await until(() => Number.isInteger(grandchildOf(logs)));
    const daemon = grandchildOf(logs);
    try {
      await runner.close();
      expect(runner.state).toBe('closed');
      // It made itself independent, as a service would: it is not ours to end.
      expect(alive(daemon)).toBe(true);
    } finally {
      process.kill(daemon, 'SIGKILL');
    }
  });
});
