import { tmpdir } from 'node:os';
import { afterEach, describe, expect, it } from 'vitest';
import type { BridgeError } from '../../../src/errors.js';
import type { RunnerOptions } from '../../../src/runner/options.js';
import { RunnerPool } from '../../../src/runner/pool.js';
import type { RunnerState } from '../../../src/runner/state.js';
import { alive, children, failure, node, picture, sdk, until, verdict } from './support.js';

const opened: RunnerPool[] = [];

function pool(command: string[], workers: number, timings: RunnerOptions['timings'] = {}) {
  const states: RunnerState[] = [];
  const problems: [BridgeError, number][] = [];
  const logs: [string, number][] = [];
  const made = new RunnerPool(
    {
      command,
      imageDirectory: tmpdir(),
      runnerVersion: '1',
      timings: { backoffMinMs: 1, killMs: 300, ...timings },
    },
    workers,
    {
      onState: (state) => states.push(state),
      onProblem: (error, worker) => problems.push([error, worker]),
      onLog: (line, worker) => logs.push([line.text, worker]),
    },
  );
  opened.push(made);
  return { pool: made, states, problems, logs };
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((made) => made.close()));
});

describe('a pool', () => {
  it('runs its adapters in parallel, all in one session, and ends them all', async () => {
    const { pool: workers, states } = pool(sdk('0.0', 'slow'), 3);
    await workers.start();
    const all = [0, 1, 2];
    expect(await Promise.all(all.map((worker) => workers.ready(worker)))).toEqual([true, true, true]);
    const pids = children();
    expect(pids).toHaveLength(3);
    const results = await Promise.all(all.map((worker) => workers.submit(worker, { image: picture() })));
    const calls = results.map(
      (result) => verdict(result).debug!['call'] as { data: { session: { id: string } } },
    );
    expect(new Set(calls.map((call) => call.data.session.id)).size).toBe(1);
    expect(workers.stats).toMatchObject({ calls: 3, ok: 3, starts: 3, crashes: 0 });
    await workers.close();
    expect(pids.some(alive)).toBe(false);
    expect(states.at(0)).toBe('starting');
    expect(states).toContain('ready');
    expect(states.at(-1)).toBe('closed');
  });

  it('goes on with the others when one has failed for good, and says which', async () => {
    const { pool: workers, problems } = pool(node(), 2, { crashLimit: 1 });
    await workers.start();
    await workers.ready(0);
    await workers.ready(1);
    process.kill(children()[0]!, 'SIGKILL');
    await until(() => problems.length === 2);
    const [lost] = problems.map(([, worker]) => worker - 1);
    const other = 1 - lost!;
    expect(problems.map(([error]) => error.code)).toEqual(['RUNNER_EXITED', 'RUNNER_EXITED']);
    expect(problems[1]![0].message).toContain('is not started again');
    expect(await workers.ready(lost!)).toBe(false);
    expect(await workers.ready(other)).toBe(true);
    expect(workers.failure).toBeUndefined();
    verdict(await workers.submit(other, { image: picture() }));
    process.kill(children()[0]!, 'SIGKILL');
    await until(() => workers.state === 'failed');
    expect(workers.failure?.code).toBe('RUNNER_EXITED');
    // No one is left: what waits gets its failure.
    expect(await workers.ready(lost!)).toBe(true);
    expect(failure(await workers.submit(lost!, { image: picture() })).code).toBe('RUNNER_EXITED');
  });

  it('that cannot start at all rejects as one runner does', async () => {
    const { pool: workers } = pool(['no-such-program-here'], 2);
    await expect(workers.start()).rejects.toMatchObject({ code: 'RUNNER_NOT_FOUND' });
    expect(workers.state).toBe('failed');
  });
});
