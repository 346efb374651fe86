/** Adapters that load after their hello, as both SDKs do. */
import { describe, expect, it } from 'vitest';
import { failure, observe, sdk, until, verdict } from './support.js';

/** Time limits that a load of a second would break if any of them counted meanwhile. */
const SHORT = { heartbeatIntervalMs: 50, heartbeatGraceMs: 50, callMs: 500, preMs: 500 };

describe('an adapter that loads after its hello', () => {
  it.each(['0.3', '0.0'] as const)('has the start-up limit until it answers (SDK %s)', async (generation) => {
    const { call, runner, states, problems } = observe(sdk(generation, 'load-1.2'), { timings: SHORT });
    await runner.start();
    expect(runner.state).toBe('loading');
    const early = call();
    expect(await runner.whenReady()).toBe(true);
    verdict(await early);
    verdict(await call());
    expect(states).toEqual(['starting', 'loading', 'ready']);
    expect(problems).toEqual([]);
    expect(runner.stats).toMatchObject({ starts: 1, crashes: 0, timeouts: 0 });
  });

  it('says what is waited for', async () => {
    const { runner, logs } = observe(sdk('0.3', 'load-1.2'), { timings: { loadingNoteMs: 200 } });
    await runner.start();
    await runner.whenReady();
    const notes = logs.filter(({ text }) => text.includes('still loading'));
    expect(notes.length).toBeGreaterThan(1);
    expect(notes.at(-1)).toMatchObject({
      level: 'info',
      text: expect.stringMatching(
        /has said hello and not answered a ping since its start \d+ s ago \(limit 120 s\)/,
      ),
    });
    const told = notes.length;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(logs.filter(({ text }) => text.includes('still loading'))).toHaveLength(told);
  });

  it('is given up after the start-up limit', async () => {
    const { runner, problems } = observe(sdk('0.3', 'load-1000'), {
      timings: { startupMs: 4_000, crashLimit: 1 },
    });
    await runner.start();
    expect(await runner.whenReady()).toBe(false);
    expect(problems).toMatchObject([{ code: 'RUNNER_TIMEOUT' }]);
    expect(problems[0]!.message).toContain('said hello and did not answer within 4000 ms');
  });

  it('is judged by the limits of calls from its first answer on', async () => {
    const { call, runner } = observe(sdk('0.3', 'load-0.5-hang'), { timings: { callMs: 300 } });
    await runner.start();
    expect(failure(await call()).code).toBe('RUNNER_TIMEOUT');
    await until(() => runner.stats.starts === 2);
    expect(runner.stats).toMatchObject({ timeouts: 1, crashes: 1 });
  });
});
