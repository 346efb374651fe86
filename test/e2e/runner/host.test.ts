import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { needsOf } from '../../support/needs.js';
import { alive, fixture, node, sdk, until } from './support.js';

const built = fileURLToPath(new URL('../../../dist/runner/index.js', import.meta.url));

/** Runs a program that uses the built library and gives what it printed, once it has ended by itself. */
function host(way: 'close' | 'exit', command: string[]): Promise<{ output: string; code: number | null }> {
  needsOf(command);
  const child = spawn(process.execPath, [fixture('host.mjs'), way, built, ...command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return new Promise((resolve) => child.once('close', (code) => resolve({ output, code })));
}

it.each([
  ['Node', node()],
  ['Python', sdk('0.0')],
])('a program that closed its runner ends by itself (%s adapter)', async (_language, command) => {
  const { output, code } = await host('close', command);
  expect(code).toBe(0);
  expect(output.trimEnd().endsWith('closed')).toBe(true);
  const pid = Number(/pid (\d+)/.exec(output)?.[1]);
  expect(alive(pid)).toBe(false);
});

it.each(['hang-stubborn', 'grandchild'])(
  'an adapter (%s) does not outlive the program that started it',
  async (behaviour) => {
    const { output, code } = await host('exit', sdk('0.3', behaviour));
    expect(code).toBe(0);
    const pids = [...output.matchAll(/(?:pid|grandchild) (\d+)/g)].map((match) => Number(match[1]));
    expect(pids).toHaveLength(behaviour === 'grandchild' ? 2 : 1);
    await until(() => pids.every((pid) => !alive(pid)));
  },
);
