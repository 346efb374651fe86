/** What is cancelled settles at once, and leaves no process, timer or listener. */
import { getEventListeners } from 'node:events';
import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import { type RunnerOptions, RunnerPool } from '../../../src/runner/index.js';
import { children, failure, picture, sdk, until } from './support.js';

const pools: RunnerPool[] = [];
afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.close(AbortSignal.abort())));
});

function open(behaviour: string, timings: RunnerOptions['timings'] = {}, generation: '0.3' | '0.0' = '0.3') {
  const pool = new RunnerPool(
    { command: sdk(generation, behaviour), imageDirectory: tmpdir(), runnerVersion: '1', timings },
    2,
  );
  pools.push(pool);
  return pool;
}

/** Nothing of the pool is left. */
async function nothingLeft(signal: AbortSignal): Promise<void> {
  expect(children()).toEqual([]);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  await until(() => process.getActiveResourcesInfo().every((name) => name !== 'ProcessWrap'));
  expect(process.listeners('exit').filter(({ name }) => name === 'killAll')).toEqual([]);
}

const reason = new Error('stopped');

describe('destroy during start', () => {
  it.each([
    ['before the hello', 'silent', 0],
    ['while it loads', 'load-1000', 2],
    ['while a restart is waited for', 'exit-at-start', 0],
  ])('%s', async (_name, behaviour, processes) => {
    const abort = new AbortController();
    const pool = open(behaviour, { backoffMinMs: 60_000, backoffMaxMs: 60_000, killMs: 300 });
    const starting = pool.start(abort.signal);
    const ready = expect(pool.ready(0, abort.signal)).rejects.toBe(reason);
    if (processes > 0) await starting;
    else if (behaviour === 'exit-at-start') await until(() => pool.state === 'restarting');
    abort.abort(reason);
    if (processes === 0) await expect(starting).rejects.toBe(reason);
    await ready;
    await pool.close();
    expect(pool.state).toBe('closed');
    await nothingLeft(abort.signal);
  });

  it('with a signal that is aborted starts nothing', async () => {
    const pool = open('silent');
    await expect(pool.start(AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(pool.stats.starts).toBe(0);
  });

  it('a signal aborted after the start changes nothing', async () => {
    const abort = new AbortController();
    const pool = open('');
    await pool.start(abort.signal);
    abort.abort(reason);
    expect(await pool.ready(0)).toBe(true);
    expect((await pool.submit(0, { image: picture() })).outcome).toBe('ok');
    await pool.close();
    await nothingLeft(abort.signal);
  });
});

describe('destroy during a busy call', () => {
  it.each(['hang', 'hang-stubborn'])(
    '%s: the calls fail at once, and the adapters get their grace',
    async (behaviour) => {
      const pool = open(behaviour, { shutdownMs: 200, killMs: 200 });
      await pool.start();
      await Promise.all([pool.ready(0), pool.ready(1)]);
      const calls = [0, 1].map((worker) => pool.submit(worker, { image: picture() }));
      const closing = pool.close();
      for (const result of await Promise.all(calls)) expect(failure(result).code).toBe('RUNNER_EXITED');
      await closing;
      await nothingLeft(new AbortController().signal);
    },
  );

  it('an end that takes long can be hurried', async () => {
    const abort = new AbortController();
    const pool = open('hang', { shutdownMs: 600_000 });
    await pool.start();
    await pool.ready(0);
    const call = pool.submit(0, { image: picture() });
    const closing = pool.close();
    expect(failure(await call).code).toBe('RUNNER_EXITED');
    const hurried = pool.close(abort.signal);
    abort.abort(reason);
    await Promise.all([closing, hurried]);
    await nothingLeft(abort.signal);
  });
});
