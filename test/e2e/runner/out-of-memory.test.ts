/** An adapter that the kernel kills because memory ran out, where a group of processes can be given a limit. */
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { failure, fixture, observe } from './support.js';

const LIMIT = String(64 * 1024 * 1024);
/** The memory controller of both versions: where groups are made, and the file of the limit. */
const HIERARCHIES = [
  ['/sys/fs/cgroup/memory', 'memory.limit_in_bytes'],
  ['/sys/fs/cgroup', 'memory.max'],
] as const;

let group: string | undefined;

/** A group whose processes may use 64 MiB together; undefined where that takes rights we do not have. */
function limitedGroup(): string | undefined {
  for (const [root, limit] of HIERARCHIES) {
    const path = `${root}/openmv-bridge-test-${process.pid}`;
    try {
      mkdirSync(path);
      group = path;
      if (!existsSync(`${path}/${limit}`)) throw new Error('no memory controller');
      writeFileSync(`${path}/${limit}`, LIMIT);
      if (existsSync(`${path}/memory.swap.max`)) writeFileSync(`${path}/memory.swap.max`, '0');
      return path;
    } catch {
      removeGroup();
    }
  }
  return undefined;
}

function removeGroup(): void {
  if (group !== undefined) rmdirSync(group);
  group = undefined;
}

afterEach(removeGroup);

it('is told apart from one that somebody killed', async () => {
  // Without such a group Python meets a limit of its own, and says so itself.
  const limited = limitedGroup();
  const { call, runner, problems } = observe(['python3', fixture('hungry.py'), limited ?? '-']);
  await runner.start();
  const { code, error } = failure(await call());
  expect(code).toBe('RUNNER_EXITED');
  expect(error.context).toMatchObject({
    reason: 'out-of-memory',
    signal: limited === undefined ? null : 'SIGKILL',
  });
  expect(error.message).toContain('because memory ran out');
  expect(problems[0]).toBe(error);
  await runner.close();
});
