import { describe, expect, it } from 'vitest';
import { failure, node, observe, sdk, until, verdict } from './support.js';

describe('a broken frame', () => {
  it.each([
    ['zero-length', 'of no bytes'],
    ['huge-length', '134217729 bytes'],
    ['negative-length', '4294967280 bytes'],
    ['bad-utf8', 'not UTF-8'],
    ['bad-json', 'not JSON'],
    ['json-array', 'not an object'],
    ['print', '"hello from the algorithm."'],
  ])('%s: the call fails showing the bytes, and the adapter is restarted', async (behaviour, shown) => {
    const { call, runner, problems, released } = observe(node(behaviour));
    await runner.start();
    const first = runner.adapter?.pid;
    const { error } = failure(await call());
    expect(error.code).toBe('RUNNER_PROTOCOL');
    expect(error.message).toContain(shown);
    expect(released.count).toBe(1);
    expect(await runner.whenReady()).toBe(true);
    expect(runner.adapter?.pid).not.toBe(first);
    expect(problems).toEqual([error]);
    expect(runner.stats).toMatchObject({ crashes: 1, starts: 2, timeouts: 0 });
  });

  it('printed by an algorithm of SDK 0.0 is explained', async () => {
    const { call, runner } = observe(sdk('0.0', 'print'));
    await runner.start();
    const { error } = failure(await call());
    expect(error.message).toContain('"debugging the algorithm');
    expect(error.message).toContain('print to stderr instead');
  });

  it('before the hello is explained as well', async () => {
    const { runner, problems } = observe(node('print-at-start'), { timings: { crashLimit: 2 } });
    await expect(runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED' });
    expect(problems.map((error) => error.code)).toEqual(['RUNNER_PROTOCOL', 'RUNNER_PROTOCOL']);
    expect(runner.failure?.message).toContain('Loading model...');
  });
});

describe('NaN in a result', () => {
  it('fails that call only', async () => {
    const { call, runner, problems } = observe(sdk('0.3', 'nan'));
    await runner.start();
    for (let n = 0; n < 3; n += 1) {
      const { error } = failure(await call());
      expect(error.code).toBe('RUNNER_PROTOCOL');
      expect(error.message).toContain('NaN');
    }
    expect(problems).toEqual([]);
    expect(runner.stats).toMatchObject({ failed: 3, starts: 1, crashes: 0 });
  });
});

describe('odd but whole frames', () => {
  it.each(['byte-by-byte', 'two-in-one', 'stderr-flood', 'two-hellos'])(
    '%s: the verdict arrives',
    async (behaviour) => {
      const { call, runner } = observe(node(behaviour));
      await runner.start();
      verdict(await call());
      verdict(await call());
      expect(runner.stats).toMatchObject({ ok: 2, starts: 1 });
    },
  );

  it('of an unknown type are reported once and ignored', async () => {
    const { call, runner, problems } = observe(node('unknown-type'));
    await runner.start();
    verdict(await call());
    verdict(await call());
    expect(problems.map((error) => error.code)).toEqual(['RUNNER_PROTOCOL']);
    expect(problems[0]!.message).toContain('"progress"');
  });

  it('with an unusable result fail their call only', async () => {
    const { call, runner, problems } = observe(node('bad-status'));
    await runner.start();
    expect(failure(await call()).error.message).toContain('status');
    expect(failure(await call()).error.code).toBe('RUNNER_PROTOCOL');
    expect(problems).toEqual([]);
    expect(runner.stats.starts).toBe(1);
  });

  it('with an error of no request are reported, and calls go on', async () => {
    const { call, runner, problems } = observe(node('note-then-result'));
    await runner.start();
    verdict(await call());
    expect(problems.map((error) => error.message)).toEqual([
      'The algorithm reports an error 9999 (unknown error): the licence ends tomorrow',
    ]);
  });
});

describe('stray answers', () => {
  it('are counted as duplicate and unknown, and dropped', async () => {
    const { call, runner } = observe(node('duplicate'));
    await runner.start();
    verdict(await call());
    verdict(await call());
    await until(() => runner.stats.duplicate === 2 && runner.stats.unknown === 2);
    expect(runner.stats).toMatchObject({ calls: 2, ok: 2, failed: 0, late: 0 });
  });

  it('after an error are duplicates', async () => {
    const { call, runner } = observe(node('late-after-error'));
    await runner.start();
    expect(failure(await call()).error.message).toContain('first');
    await until(() => runner.stats.duplicate === 1);
    expect(runner.stats).toMatchObject({ ok: 0, failed: 1 });
  });

  it('after a time-out are late', async () => {
    const { call, runner } = observe(node('late-after-timeout'), { timings: { callMs: 150, killMs: 5_000 } });
    await runner.start();
    expect(failure(await call()).error.code).toBe('RUNNER_TIMEOUT');
    await until(() => runner.stats.late === 1);
    expect(runner.stats).toMatchObject({ ok: 0, failed: 1, timeouts: 1 });
  });
});
