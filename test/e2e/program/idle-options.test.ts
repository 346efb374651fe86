/** Options for an algorithm when there is none: refused by name, before anything is opened. */
import { writeFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { Program, run } from './program.js';
import { EXAMPLE_PYTHON, useScratch } from './support.js';

const scratch = useScratch();
const base = ['--port', 'virtual', '--no-shm', '--frames', '1'];

it.each<[string, string[]]>([
  ['--workers', ['2']],
  ['--delivery', ['every']],
  ['--results', ['unordered']],
  ['--reference', ['/nowhere.jpg']],
  ['--save-annotated', ['/nowhere']],
  ['--dialect', ['flat']],
  ['--call-timeout', ['5']],
  ['--crash-limit', ['5']],
  ['--pid', ['P-1']],
  ['--strict-stdio', []],
])('%s', async (option, value) => {
  const { status, stderr } = await run([...base, option, ...value]);
  expect(stderr).toContain(`${option} has no effect without an algorithm`);
  expect(stderr).toMatch(/--runner|behind --.*OPTION_INVALID/);
  expect(status).toBe(2);
});

it('several are named at once', async () => {
  const { status, stderr } = await run([...base, '--workers', '2', '--dialect', 'flat']);
  expect(stderr).toContain('--dialect and --workers have no effect without an algorithm');
  expect(status).toBe(2);
});

it('a config file may hold them for other runs, and may name the algorithm', async () => {
  const shared = scratch.path('shared.json');
  await writeFile(shared, JSON.stringify({ workers: 2, dialect: 'flat' }));
  const without = await run([...base, '--config', shared]);
  expect(without.status, without.stderr).toBe(0);
  const named = scratch.path('named.json');
  await writeFile(named, JSON.stringify({ runner: ['python3', EXAMPLE_PYTHON] }));
  const program = new Program([...base, '--json', '--config', named, '--delivery', 'every']);
  expect((await program.ended).status, program.stderr).toBe(0);
  expect(program.of('result')).toHaveLength(1);
});
