/** Several cameras in one process: what happens to one leaves the others alone. */
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
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
    // They connect in any order.
    return program
      .of('connected')
      .map((line) => line['cameraId'] as string)
      .sort();
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

describe('a camera that is missing at the start', () => {
  const missing = (name = 'missing'): string => scratch.path(name);

  it('is waited for while another one is there, and comes in when it is plugged in', async () => {
    const program = start(['--port', 'virtual', '--port', missing(), '--json', '--no-shm']);
    const error = await program.line((line) => line.type === 'error');
    expect(error).toMatchObject({ code: 'PORT_NOT_FOUND', message: expect.stringContaining(missing()) });
    await expect.poll(() => program.stderr).toContain(`waiting for the camera on ${missing()}`);
    await program.line((line) => line.type === 'frame' && line['sequence'] >= 20);
    await serve('missing', 7);
    await expect
      .poll(() => new Set(program.of('frame').map((line) => line['cameraId'])).size, { timeout: 20_000 })
      .toBe(2);
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
  });

  it('and does not come until the others are done ends with 3', async () => {
    const program = start([
      '--port',
      missing('late'),
      '--port',
      'virtual',
      '--json',
      '--no-shm',
      '--frames',
      '5',
    ]);
    const { status, stderr } = await program.ended;
    expectSequence(program.of('frame'), 5);
    expect(stderr).toContain('late');
    expect(status).toBe(3);
  });

  it('ends the run when it is not to be waited for, and no other camera stays open', async () => {
    const program = start([
      ...['--port', 'virtual', '--port', missing('off'), '--json', '--no-shm', '--reconnect', 'off'],
    ]);
    const { status } = await program.ended;
    expect(program.of('error')).toEqual([
      expect.objectContaining({ code: 'PORT_NOT_FOUND', message: expect.stringContaining('off') }),
    ]);
    expect(status).toBe(3);
  });

  it('ends the run when none is there', async () => {
    const program = start(['--port', missing('none-1'), '--port', missing('none-2'), '--json', '--no-shm']);
    const { status } = await program.ended;
    expect(program.of('error').map((line) => line['message'])).toEqual([
      expect.stringContaining('none-1'),
      expect.stringContaining('none-2'),
    ]);
    expect(status).toBe(3);
  });

  it('is waited for as often as --reconnect says', async () => {
    const program = start([
      ...['--port', 'virtual', '--port', missing('rare'), '--json', '--no-shm', '--reconnect', '2'],
      ...['--duration', '3s'],
    ]);
    const { status } = await program.ended;
    expect(program.of('error').map(({ code }) => code)).toEqual(['PORT_NOT_FOUND']);
    expect(program.of('frame').length).toBeGreaterThan(5);
    expect(status).toBe(3);
  });

  it('is not waited for any more when it is no camera, and says so', async () => {
    const program = start(['--port', 'virtual', '--port', missing('file'), '--json', '--no-shm', '--wait']);
    await expect.poll(() => program.stderr, { timeout: 20_000 }).toContain('waiting for the camera on');
    writeFileSync(missing('file'), 'no port');
    const { status } = await program.ended;
    expect(program.of('error').map(({ code }) => code)).toEqual(['PORT_NOT_FOUND', 'PORT_FAILED']);
    expect(status).toBe(3);
  });
});
