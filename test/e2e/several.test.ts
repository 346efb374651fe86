/** Several cameras in one process: what happens to one is nothing to the others. */
import { afterEach, expect, it } from 'vitest';
import { Program } from './program.js';
import { expectSequence, leftovers, segmentName, unplug, useScratch } from './support.js';

const scratch = useScratch();
const programs: Program[] = [];

afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.kill('SIGCONT');
    program.kill('SIGKILL');
    await program.ended;
  }
});

function start(args: readonly string[]): Program {
  const program = new Program(args);
  programs.push(program);
  return program;
}

async function serve(name: string, id: number): Promise<{ camera: Program; link: string }> {
  const link = scratch.path(name);
  const camera = start(['virtual', '--link', link, '--id', String(id)]);
  await expect.poll(() => camera.stderr, { timeout: 20_000 }).toMatch(/virtual camera on/);
  return { camera, link };
}

it('a camera that stalls, goes and comes back does not hold up the others', async () => {
  const one = await serve('one', 1);
  const two = await serve('two', 2);
  const shm = segmentName();
  const program = start([
    '--port',
    one.link,
    '--port',
    two.link,
    '--port',
    'virtual',
    '--json',
    '--shm-name',
    shm,
  ]);
  const ids = async (): Promise<string[]> => {
    await expect.poll(() => program.of('connected').length, { timeout: 20_000 }).toBe(3);
    return program.of('connected').map((line) => line['cameraId']);
  };
  const [first, second, third] = await ids();
  const framesOf = (id: string | undefined) =>
    program.of('frame').filter((frame) => frame['cameraId'] === id);
  const more = async (id: string | undefined, count: number): Promise<void> => {
    const wanted = framesOf(id).length + count;
    await expect.poll(() => framesOf(id).length, { timeout: 20_000 }).toBeGreaterThanOrEqual(wanted);
  };
  await Promise.all([more(first, 5), more(second, 5), more(third, 5)]);

  one.camera.kill('SIGSTOP');
  await Promise.all([more(second, 40), more(third, 40)]);
  one.camera.kill('SIGCONT');
  await more(first, 5);
  unplug(one.camera, one.link);
  await program.line((line) => line.type === 'disconnected' && line['cameraId'] === first);
  await Promise.all([more(second, 40), more(third, 40)]);
  await serve('one', 1);
  await more(first, 5);

  program.kill('SIGINT');
  expect((await program.ended).status).toBe(0);
  for (const id of [first, second, third]) expectSequence(framesOf(id), framesOf(id).length);
  expect(program.of('disconnected').every((line) => line['cameraId'] === first)).toBe(true);
  expect(leftovers(shm, program.pid)).toEqual([]);
});

it('a camera that falls silent without hanging up is given up, waited for, and taken back', async () => {
  const { camera, link } = await serve('silent', 4);
  const program = start(['--port', link, '--json', '--no-shm']);
  await program.line((line) => line.type === 'frame' && line['sequence'] >= 5);
  camera.kill('SIGSTOP');
  const lost = await program.line((line) => line.type === 'disconnected');
  expect(lost).toMatchObject({ code: 'CAMERA_SILENT', message: expect.stringMatching(/did not answer/) });
  camera.kill('SIGCONT');
  const before = program.of('frame').length;
  await program.line((line) => line.type === 'frame' && line['sequence'] > before + 5);
  program.kill('SIGINT');
  expect((await program.ended).status).toBe(0);
  expectSequence(program.of('frame'), program.of('frame').length);
});
