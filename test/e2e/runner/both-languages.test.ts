/** The same misbehaviour in Python and in Node: what the runner makes of it is the same. */
import { describe, expect, it } from 'vitest';
import { alive, failure, node, observe, sdk, until, verdict } from './support.js';

const LANGUAGES: [string, (behaviour?: string, generation?: '0.0' | '0.3') => string[]][] = [
  ['Python', (behaviour = '', generation = '0.3') => sdk(generation, behaviour)],
  ['Node', (behaviour = '') => node(behaviour)],
];

describe.each(LANGUAGES)('an adapter in %s', (_language, command) => {
  it('that is well-behaved gives its verdicts and ends when asked to', async () => {
    const { call, runner, problems } = observe(command());
    await runner.start();
    const pid = runner.adapter!.pid!;
    for (let n = 0; n < 3; n += 1) expect(verdict(await call()).outcome).toBe('ok');
    await runner.close();
    expect(alive(pid)).toBe(false);
    expect(problems).toEqual([]);
  });

  it('that is slow is waited for, pings or not', async () => {
    const { call, runner } = observe(command('slow'), {
      timings: { heartbeatIntervalMs: 20, heartbeatGraceMs: 20 },
    });
    await runner.start();
    verdict(await call());
    expect(runner.stats).toMatchObject({ ok: 1, crashes: 0, starts: 1 });
  });

  it('that is silent is given up after its start-up time', async () => {
    const { runner, problems } = observe(command('silent'), { timings: { startupMs: 300 } });
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_TIMEOUT' });
    expect(problems).toMatchObject([{ code: 'RUNNER_TIMEOUT' }]);
  });

  it.each(['hang', 'hang-stubborn'])(
    'that hangs in execute (%s) is killed and replaced',
    async (behaviour) => {
      const { call, runner, released } = observe(command(behaviour), {
        timings: { callMs: 150, killMs: 150 },
      });
      await runner.start();
      const pid = runner.adapter!.pid!;
      expect(failure(await call())).toMatchObject({ code: 'RUNNER_TIMEOUT' });
      expect(released.count).toBe(1);
      expect(await runner.whenReady()).toBe(true);
      expect(alive(pid)).toBe(false);
      expect(runner.adapter!.pid).not.toBe(pid);
    },
  );

  it('that crashes at its start is tried again and given up', async () => {
    const { runner } = observe(command('exit-at-start'), { timings: { crashLimit: 3 } });
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED' });
    expect(runner.stats).toMatchObject({ starts: 3, crashes: 3 });
  });

  it.each([
    ['exit-in-pre', { exitCode: 4, reason: 'exit-status' }],
    ['exit', { exitCode: 3, reason: 'exit-status' }],
    ['exit-0', { exitCode: 0, reason: 'ended-itself' }],
    ['segfault', { signal: 'SIGSEGV', reason: 'signal' }],
  ])('that crashes in a call (%s) fails that call alone', async (behaviour, known) => {
    const { call, runner, released } = observe(
      command(behaviour, behaviour === 'exit-in-pre' ? '0.0' : '0.3'),
    );
    await runner.start();
    expect(failure(await call()).error).toMatchObject({ code: 'RUNNER_EXITED', context: known });
    expect(released.count).toBe(1);
    expect(await runner.whenReady()).toBe(true);
    expect(runner.stats).toMatchObject({ crashes: 1, starts: 2 });
  });

  it.each(['zero-length', 'huge-length', 'negative-length', 'bad-utf8', 'bad-json'])(
    'that breaks a message (%s) is restarted, its bytes are shown',
    async (behaviour) => {
      const { call, runner } = observe(command(behaviour));
      await runner.start();
      const { error } = failure(await call());
      expect(error.code).toBe('RUNNER_PROTOCOL');
      expect(error.message).toMatch(/\(hex [0-9a-f ]{11,}/);
      expect(await runner.whenReady()).toBe(true);
      expect(runner.stats.starts).toBe(2);
    },
  );

  it('that prints to stdout is restarted, and the print is shown', async () => {
    // SDK 0.0, as Node's, has nothing that catches prints.
    const { call, runner } = observe(command('print', '0.0'));
    await runner.start();
    const { error } = failure(await call());
    expect(error.code).toBe('RUNNER_PROTOCOL');
    expect(error.message).toMatch(/"(debugging|hello from)/);
  });

  it('that answers NaN fails that call, and the stream goes on', async () => {
    const { call, runner } = observe(command('nan'));
    await runner.start();
    for (let n = 0; n < 2; n += 1) {
      const { error } = failure(await call());
      expect(error.code).toBe('RUNNER_PROTOCOL');
      expect(error.message).toContain('NaN');
    }
    expect(runner.stats).toMatchObject({ starts: 1, failed: 2 });
  });

  it('that writes byte by byte is understood', async () => {
    const { call, runner } = observe(command('byte-by-byte'));
    await runner.start();
    for (let n = 0; n < 2; n += 1) verdict(await call());
    expect(runner.stats.starts).toBe(1);
  });

  it.each([1, 2, 3, 4, 5, 60])('that splits a message behind byte %i is understood', async (at) => {
    const { call, runner } = observe(command(`split-${at}`));
    await runner.start();
    for (let n = 0; n < 2; n += 1) verdict(await call());
    expect(runner.stats.starts).toBe(1);
  });

  it('that ignores both shutdown and SIGTERM is killed', async () => {
    const { runner, call } = observe(command('stubborn'), { timings: { shutdownMs: 50, killMs: 100 } });
    await runner.start();
    verdict(await call());
    const pid = runner.adapter!.pid!;
    await runner.close();
    await until(() => !alive(pid));
    expect(runner.state).toBe('closed');
  });
});
