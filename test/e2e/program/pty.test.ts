/** The virtual camera on a pty: the same job through serialport, and a camera that goes away. */
import { afterEach, describe, expect, it } from 'vitest';
import { Program, run } from './program.js';
import {
  expectCaptured,
  expectSaved,
  expectSequence,
  leftovers,
  readLedger,
  segmentName,
  unplug,
  useScratch,
} from './support.js';

const scratch = useScratch();
const programs: Program[] = [];

function start(args: readonly string[]): Program {
  const program = new Program(args);
  programs.push(program);
  return program;
}

/** Serves a virtual camera and waits until its link is there. */
async function serve(name: string, args: readonly string[] = []): Promise<{ camera: Program; link: string }> {
  const link = scratch.path(name);
  const camera = start(['virtual', '--link', link, ...args]);
  await expect.poll(() => camera.stderr, { timeout: 20_000 }).toMatch(/virtual camera on/);
  return { camera, link };
}

afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.kill('SIGKILL');
    await program.ended;
  }
});

describe('a virtual camera on a pty', () => {
  it('delivers 100 frames through serialport, byte for byte', async () => {
    const ledger = scratch.path('pty.jsonl');
    const { camera, link } = await serve('cam', ['--virtual-ledger', ledger]);
    const save = scratch.path('pty-frames');
    const program = start(['--port', link, '--frames', '100', '--save', save, '--json', '--no-shm']);
    const { status, stderr } = await program.ended;
    expect(stderr).not.toMatch(/error/i);
    expect(status).toBe(0);
    expectSequence(program.of('frame'), 100);
    await expectSaved(save, program.of('frame'));
    expectCaptured(program.of('frame'), await readLedger(ledger));
    camera.kill('SIGINT');
    expect((await camera.ended).status).toBe(0);
  });

  it('serves one host after the other, and one that was killed', async () => {
    const { link } = await serve('again');
    for (let visit = 0; visit < 3; visit++) {
      const program = start(['--port', link, '--frames', '5', '--json', '--no-shm']);
      expect((await program.ended).status, program.stderr).toBe(0);
      expectSequence(program.of('frame'), 5);
      const killed = start(['--port', link, '--json', '--no-shm', '--ack', visit % 2 === 0 ? 'on' : 'off']);
      await killed.line((line) => line.type === 'frame' && line['sequence'] >= 2);
      killed.kill('SIGKILL');
      await killed.ended;
    }
  });

  it('is busy for a second host', async () => {
    const { link } = await serve('busy');
    const first = start(['--port', link, '--json', '--no-shm']);
    await first.line((line) => line.type === 'frame');
    const second = await run(['--port', link, '--json', '--no-shm']);
    expect(second.status).toBe(3);
    const lines = second.stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ type }) => type)).toEqual(['start', 'error']);
    expect(lines[1]).toMatchObject({ code: 'PORT_BUSY' });
    const before = first.of('frame').length;
    await first.line((line) => line.type === 'frame' && line['sequence'] > before + 3);
  });

  it('that is killed in the middle of frames ends in disconnected, status 4 without reconnection', async () => {
    const { camera, link } = await serve('killed', ['--virtual-fps', 'max']);
    const shm = segmentName();
    const program = start(['--port', link, '--json', '--shm-name', shm, '--reconnect', 'off']);
    await program.line((line) => line.type === 'frame' && line['sequence'] >= 20);
    unplug(camera, link);
    const { status } = await program.ended;
    expect(status).toBe(4);
    expect(program.of('disconnected')).toHaveLength(1);
    expect(program.of('disconnected')[0]).toMatchObject({ code: 'PORT_CLOSED', message: expect.any(String) });
    expectSequence(program.of('frame'), program.of('frame').length);
    expect(leftovers(shm, program.pid)).toEqual([]);
  });

  it('that comes back is found again, and frames go on without a gap in their numbers', async () => {
    const first = await serve('back', ['--virtual-fps', '60']);
    const program = start(['--port', first.link, '--json', '--no-shm']);
    for (const [index, again] of ['killed', 'ended', 'killed'].entries()) {
      const before = program.of('frame').length;
      await program.line((line) => line.type === 'frame' && line['sequence'] > before + 10);
      const camera = programs.findLast((other) => other.stderr.includes('virtual camera on'))!;
      if (again === 'killed') unplug(camera, first.link);
      else camera.kill('SIGINT');
      await camera.ended;
      await expect.poll(() => program.of('disconnected').length, { timeout: 20_000 }).toBe(index + 1);
      await serve('back', ['--virtual-fps', '60']);
      await expect.poll(() => program.of('connected').length, { timeout: 20_000 }).toBe(index + 2);
    }
    const before = program.of('frame').length;
    await program.line((line) => line.type === 'frame' && line['sequence'] > before + 10);
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
    expectSequence(program.of('frame'), program.of('frame').length);
  });

  it('that stays away is given up after the wanted number of attempts', async () => {
    const { camera, link } = await serve('away');
    const program = start(['--port', link, '--json', '--no-shm', '--reconnect', '3']);
    await program.line((line) => line.type === 'frame');
    unplug(camera, link);
    expect((await program.ended).status).toBe(4);
    expect(program.of('error').at(-1)).toMatchObject({ code: 'PORT_NOT_FOUND' });
  });
});
