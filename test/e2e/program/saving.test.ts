/** `--save`: the frames of this run under their names, and what was there before is kept. */
import { readdirSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Program, run } from './program.js';
import { expectSaved, expectSequence, PORT, useScratch } from './support.js';

const scratch = useScratch();

async function save(directory: string, count: number): Promise<Program> {
  const program = new Program([
    ...['--port', PORT, '--no-shm', '--json', '--frames', String(count)],
    ...['--save', directory],
  ]);
  expect((await program.ended).status, program.stderr).toBe(0);
  expectSequence(program.of('frame'), count);
  return program;
}

it('a second run into the same folder keeps what the first one saved', async () => {
  const directory = scratch.path('deep/down/frames');
  const first = await save(directory, 6);
  await writeFile(join(directory, 'notes.txt'), 'mine');
  const second = await save(directory, 4);
  const names = readdirSync(directory).sort();
  const earlier = names.find((name) => name.startsWith('earlier-'))!;
  expect(second.stderr).toContain(earlier);
  await expectSaved(join(directory, earlier), first.of('frame'));
  expect(names).toEqual(
    [
      ...second.of('frame').map((frame) => `${frame['cameraId']}-0000000${frame['sequence']}.jpg`),
      earlier,
      'notes.txt',
    ].sort(),
  );
  expect(await readFile(join(directory, 'notes.txt'), 'utf8')).toBe('mine');
  await save(directory, 2);
  expect(readdirSync(directory).filter((name) => name.startsWith('earlier-'))).toHaveLength(2);
});

it.each([
  ['/proc/openmv-frames', /\/proc/],
  ['FILE', /is a file, not a folder/],
  ['FILE/frames', /is no folder/],
])('--save %s ends with FILE_FAILED and the reason', async (name, words) => {
  const file = scratch.path('a-file');
  await writeFile(file, '');
  const { status, stderr } = await run([
    ...['--port', 'virtual', '--no-shm', '--frames', '1', '--save', name.replace('FILE', file)],
  ]);
  expect(stderr).toMatch(words);
  expect(stderr).toContain('[FILE_FAILED]');
  expect(stderr).not.toContain('Free some space');
  expect(status).toBe(6);
});

it('one --camera-id for two cameras is refused, for their files would have the same names', async () => {
  const { status, stderr } = await run([
    ...['--port', 'virtual', '--port', 'virtual', '--camera-id', 'one', '--frames', '1', '--no-shm'],
  ]);
  expect(stderr).toMatch(/--camera-id.*2 cameras/s);
  expect(status).toBe(2);
});
