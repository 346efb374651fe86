/** `--save`: the frames of this run under their names, and what was there before is kept. */
import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { MAIN, Program, run } from './program.js';
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

const PACED = fileURLToPath(new URL('adapters/paced.mjs', import.meta.url));

it('--save-when ng saves what the algorithm finds NG, annotated as well, and nothing else', async () => {
  const [plain, drawn] = [scratch.path('ng/plain'), scratch.path('ng/drawn')];
  const program = new Program([
    ...['--port', PORT, '--no-shm', '--json', '--frames', '8', '--delivery', 'every', '--save-when', 'ng'],
    ...['--save', plain, '--save-annotated', drawn, '--', process.execPath, PACED, '1', 'odd-ng'],
  ]);
  expect((await program.ended).stderr).not.toContain('error');
  const wrong = program.of('result').filter((result) => result['resultStatus'] === 'NG');
  expect(wrong.length).toBeGreaterThan(2);
  const names = wrong.map((result) => `${result['cameraId']}-0000000${result['sequence']}.jpg`).sort();
  expect(readdirSync(plain).sort()).toEqual(names);
  expect(readdirSync(drawn).sort()).toEqual(names);
  const saved = { written: names.length, lost: 0, skipped: 0 };
  expect(program.of('stats').at(-1)?.['sinks']).toMatchObject({ files: saved, annotated: saved });
});

it('--save-when ng,failed saves each frame that has such an outcome, and none that the algorithm did not see', async () => {
  const directory = scratch.path('by-outcome');
  const program = new Program([
    ...[
      '--port',
      PORT,
      '--no-shm',
      '--json',
      '--frames',
      '40',
      '--virtual-fps',
      '60',
      '--delivery',
      'latest',
    ],
    ...['--save-when', 'ng,failed', '--save', directory, '--', process.execPath, PACED, '60', 'odd-ng'],
  ]);
  expect((await program.ended).status, program.stderr).toBe(0);
  expect(program.of('skipped').length).toBeGreaterThan(0);
  const wanted = program.of('result').filter((result) => result['resultStatus'] !== 'OK');
  const names = wanted.map(({ sequence }) => `-${String(sequence).padStart(8, '0')}.jpg`).sort();
  expect(names.length).toBeGreaterThan(0);
  expect(
    readdirSync(directory)
      .map((name) => name.slice(-13))
      .sort(),
  ).toEqual(names);
});

it('--save-when every:3 with --save-max-bytes keeps the newest of them', async () => {
  const directory = scratch.path('few');
  const program = new Program([
    ...['--port', PORT, '--no-shm', '--json', '--frames', '20', '--save', directory],
    ...['--save-when', 'every:3', '--save-max-bytes', '64K'],
  ]);
  expect((await program.ended).status, program.stderr).toBe(0);
  const kept = readdirSync(directory).map((name) => Number(name.slice(-12, -4)));
  expect(kept.length).toBeGreaterThan(0);
  expect(kept.every((sequence) => sequence % 3 === 1)).toBe(true);
  expect(kept).toContain(19);
  const bytes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
  expect(bytes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(65_536);
});

it('a full disk costs files, not frames: said once, counted, and said when it recovers', (context) => {
  if (spawnSync('unshare', ['-m', 'true']).status !== 0)
    context.skip('needs the right to make a mount namespace');
  // Room comes back when what fills the disk is removed, a second after the error.
  const script = `mkdir -p "$2" && mount -t tmpfs -o size=4m tmpfs "$2" && mkdir "$2/frames"
    head -c 4000000 /dev/zero > "$2/filler"; out="$2.out"
    "$0" "$1" --port virtual --no-shm --json --virtual-fps 10 --save "$2/frames" > "$out" & program=$!
    until grep -q FILE_FAILED "$out"; do sleep 0.1; done; sleep 1; rm "$2/filler"
    until grep -q recovered "$out"; do sleep 0.1; done; kill $program; wait $program; status=$?
    cat "$out"; ls "$2/frames" | wc -l >&2; exit $status`;
  const { status, stdout, stderr } = spawnSync(
    'unshare',
    ['-m', 'sh', '-c', script, process.execPath, MAIN, scratch.path('tight')],
    { encoding: 'utf8', timeout: 50_000 },
  );
  expect(status, stderr).toBe(0);
  const lines = stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const of = (type: string) => lines.filter((line) => line['type'] === type);
  const frames = of('frame');
  expect(frames.map(({ sequence }) => sequence)).toEqual(frames.map((_, index) => index + 1));
  expect(of('error')).toEqual([expect.objectContaining({ code: 'FILE_FAILED', sink: 'files' })]);
  expect(of('recovered')).toEqual([expect.objectContaining({ sink: 'files' })]);
  const lost = Number(of('recovered')[0]?.['lost']);
  expect(lost).toBeGreaterThan(0);
  expect(Number(stderr.trim().split('\n').at(-1))).toBe(frames.length - lost);
});

it.each([
  [['--save-when', 'ng', '--save', 'x'], /needs an algorithm/],
  [['--save-when', 'sometimes', '--save', 'x'], /--save-when.*every:N/s],
  [['--save-max-bytes', '1M'], /--save-max-bytes has no effect without --save or --save-annotated/],
  [['--save', 'x', '--save-annotated', './x', '--', 'true'], /same folder/],
])('%j is refused', async (flags, words) => {
  const { status, stderr } = await run(['--port', 'virtual', '--no-shm', ...flags]);
  expect(stderr).toMatch(words);
  expect(status).toBe(2);
});
