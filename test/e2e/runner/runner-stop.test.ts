/** stop(): what an adapter works on may end, and nothing else begins. */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { alive, children, failure, node, type Observed, observe, sdk, until, verdict } from './support.js';

const SLOW = fileURLToPath(new URL('../program/adapters/slow.mjs', import.meta.url));
let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openmv-stop-'));
});
afterAll(() => rm(folder, { recursive: true }));

let gates = 0;
/** An adapter whose calls last until the gate, a file, is there. */
function gated(): { command: string[]; open(): Promise<void> } {
  const gate = join(folder, `gate-${gates++}`);
  expect(existsSync(gate)).toBe(false);
  return { command: [process.execPath, SLOW, gate], open: () => writeFile(gate, '') };
}

const inCall = ({ logs }: Observed): Promise<void> =>
  until(() => logs.some(({ text }) => /^call/.test(text)));

describe('stop', () => {
  it('lets the call under way end, fails those that wait, and tears the adapter down', async () => {
    const { command, open } = gated();
    const observed = observe(command);
    const { runner, call, released, logs, states } = observed;
    await runner.start();
    const calls = [call(), call(), call()];
    await inCall(observed);
    const pid = runner.adapter!.pid!;
    const stopping = runner.stop();
    for (const waiting of calls.slice(1)) {
      expect(failure(await waiting).error).toMatchObject({
        code: 'RUNNER_EXITED',
        context: { reason: 'closed' },
      });
    }
    expect(failure(await call()).error.code).toBe('RUNNER_EXITED');
    expect(runner.state).toBe('closing');
    expect(alive(pid)).toBe(true);
    await until(() => logs.some(({ text }) => /about frame-\d+, may take [\d.]+ s more/.test(text)));
    await open();
    verdict((await calls[0])!);
    await stopping;
    expect(logs.some(({ text }) => text === 'teardown')).toBe(true);
    expect(states.slice(-2)).toEqual(['closing', 'closed']);
    expect(released.count).toBe(4);
    expect(runner.stats).toMatchObject({ ok: 1, failed: 3, starts: 1, late: 0, crashes: 0 });
    expect(children()).toEqual([]);
  });

  it('gives pre and execute of a frame their limits, both', async () => {
    const { runner, call } = observe(sdk('0.0', 'slow'));
    await runner.start();
    await runner.whenReady();
    const called = call();
    await Promise.all([runner.stop(), runner.stop()]);
    verdict(await called);
  });

  it('waits for a hanging call as long as its limit: no second try, no other adapter', async () => {
    const { runner, call, states } = observe(sdk('0.3', 'hang'), { timings: { callMs: 300 }, retry: true });
    await runner.start();
    await runner.whenReady();
    const called = call();
    await runner.stop();
    expect(failure(await called).error).toMatchObject({ code: 'RUNNER_TIMEOUT' });
    expect(runner.stats).toMatchObject({ starts: 1, timeouts: 1, retries: 0 });
    expect(states).not.toContain('restarting');
    expect(children()).toEqual([]);
  });

  it.each(['exit', 'segfault'])('does not replace an adapter that ends in it: %s', async (behaviour) => {
    const { runner, call } = observe(sdk('0.3', behaviour));
    await runner.start();
    await runner.whenReady();
    const called = call();
    await runner.stop();
    expect(failure(await called).error.code).toBe('RUNNER_EXITED');
    expect(runner.stats.starts).toBe(1);
  });

  it('cuts short what takes longer than stopMs', async () => {
    const { runner, call } = observe(sdk('0.3', 'hang'), { timings: { stopMs: 200, shutdownMs: 100 } });
    await runner.start();
    await runner.whenReady();
    const called = call();
    await runner.stop();
    expect(failure(await called).error).toMatchObject({
      code: 'RUNNER_EXITED',
      message: 'The call was cut short: the algorithm runner was closed.',
    });
    expect(children()).toEqual([]);
  });

  it('does not wait for an adapter that loads, starts, or is restarted', async () => {
    const loading = observe(sdk('0.3', 'load-600'));
    await loading.runner.start();
    const called = loading.call();
    await loading.runner.stop();
    expect(failure(await called).error.code).toBe('RUNNER_EXITED');

    const starting = observe(sdk('0.3', 'silent'));
    const started = expect(starting.runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED' });
    await starting.runner.stop();
    await started;

    const restarting = observe(sdk('0.3', 'exit-at-start'), {
      timings: { backoffMinMs: 60_000, backoffMaxMs: 60_000 },
    });
    const never = expect(restarting.runner.start()).rejects.toMatchObject({ code: 'RUNNER_EXITED' });
    await until(() => restarting.states.includes('restarting'));
    await restarting.runner.stop();
    await never;
    expect(restarting.runner.stats.starts).toBe(1);
    expect(children()).toEqual([]);
  });

  it('is cut short by close, whose signal takes the time to tear down as well', async () => {
    const { runner, call } = observe(node('hang'), { timings: { shutdownMs: 600_000 } });
    await runner.start();
    await runner.whenReady();
    const called = call();
    const stopping = runner.stop();
    void runner.close(AbortSignal.abort());
    expect(failure(await called).error.message).toContain('cut short');
    await stopping;
    expect(runner.state).toBe('closed');
    expect(children()).toEqual([]);
  });

  it('before the start, and after the end, does nothing', async () => {
    const { runner, states } = observe(node());
    await runner.stop();
    await runner.close();
    await runner.stop();
    expect(states).toEqual(['closing', 'closed']);
  });
});
