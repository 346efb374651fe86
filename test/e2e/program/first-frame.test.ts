/** What a host finds at a camera that another one has left: an old picture, or a script that was stopped. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { connectCamera } from '../../../src/camera/camera.js';
import { Program, run } from './program.js';
import { crcOf, expectSequence, readLedger, useScratch } from './support.js';

const scratch = useScratch();
const programs: Program[] = [];
const BUNDLED = fileURLToPath(new URL('../../../firmware/frame_channel.py', import.meta.url));

afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.kill('SIGKILL');
    await program.ended;
  }
});

/** A virtual camera on a pty, and the captures that it has written down. */
async function serve(name: string, args: readonly string[] = []) {
  const link = scratch.path(name);
  const ledger = scratch.path(`${name}.jsonl`);
  const camera = new Program(['virtual', '--link', link, '--virtual-ledger', ledger, ...args]);
  programs.push(camera);
  await expect.poll(() => camera.stderr, { timeout: 20_000 }).toMatch(/virtual camera on/);
  return { link, captures: async () => (await readLedger(ledger)).map(({ crc32 }) => crc32) };
}

/** A host that leaves the camera with a picture latched; how many captures there have been then. */
async function visit(link: string, captures: () => Promise<string[]>): Promise<number> {
  const { status, stderr } = await run(['--port', link, '--frames', '5', '--no-shm', '--quiet']);
  expect(status, stderr).toBe(0);
  let before = -1;
  await expect
    .poll(
      async () => {
        const last = before;
        before = (await captures()).length;
        return before - last;
      },
      { interval: 300 },
    )
    .toBe(0);
  return before;
}

/** Without a control channel and without frame numbers, as the vendor's example. */
function plainScript(): string {
  const text = readFileSync(BUNDLED, 'utf8')
    .replace('    def shape(self):\n        global sized', '    def other(self):\n        global sized')
    .replace(/^control = .*$/m, 'class Nothing:\n    def send_event(self, event): pass\ncontrol = Nothing()');
  expect(text).toContain('def other');
  const path = scratch.path('plain.py');
  writeFileSync(path, text);
  return path;
}

describe.each([
  ['the bundled script', () => []],
  ['a script without numbers and control channel', () => ['--virtual-script', plainScript()]],
] as const)('%s', (name, args) => {
  it('snapshot is a picture of now, not the one that was left', async () => {
    const { link, captures } = await serve(`snapshot-${name.length}`, args());
    const before = await visit(link, captures);
    const path = scratch.path(`now-${name.length}.jpg`);
    const { status, stderr } = await run(['snapshot', path, '--port', link]);
    expect(status, stderr).toBe(0);
    const at = (await captures()).indexOf(crcOf(readFileSync(path)));
    expect(at).toBeGreaterThanOrEqual(before);
  });

  it('run counts the picture that was left as stale, and delivers those after it', async () => {
    const { link, captures } = await serve(`run-${name.length}`, args());
    const before = await visit(link, captures);
    const program = new Program(['--port', link, '--frames', '10', '--json', '--no-shm']);
    programs.push(program);
    expect((await program.ended).status, program.stderr).toBe(0);
    expectSequence(program.of('frame'), 10);
    expect(program.of('dropped')).toMatchObject([
      { type: 'dropped', cameraId: program.of('frame')[0]!['cameraId'], reason: 'stale', count: 1 },
    ]);
    const delivered = program.of('frame').map((frame) => frame['crc32']);
    expect(delivered).toEqual((await captures()).slice(before, before + 10));
  });
});

describe('--stale deliver', () => {
  it.each([
    ['the bundled script', () => [], true],
    ['a script without numbers and control channel', () => ['--virtual-script', plainScript()], false],
  ] as const)('gives the picture that was left, as old as it is: %s', async (name, args, timed) => {
    const { link, captures } = await serve(`deliver-${name.length}`, args());
    const before = await visit(link, captures);
    const leftAt = Date.now();
    const options = ['--frames', '6', '--json', '--no-shm', '--stale', 'deliver'];
    const program = new Program(['--port', link, ...options]);
    programs.push(program);
    expect((await program.ended).status, program.stderr).toBe(0);
    expect(program.of('dropped')).toEqual([]);
    const frames = program.of('frame');
    expectSequence(frames, 6);
    // The plain script has no second picture behind the latched one; the bundled one may have been left with one.
    const all = await captures();
    const first = all.indexOf(String(frames[0]!['crc32']));
    expect(first).toBeLessThan(before);
    expect(frames.map((frame) => frame['crc32'])).toEqual(all.slice(first, first + 6));
    const captured = (frame: (typeof frames)[number], sign: number): number =>
      Number(frame['capturedAtMs']) + sign * Number(frame['capturedErrorMs']);
    if (timed) expect(captured(frames[0]!, -1)).toBeLessThan(leftAt);
    // Until an event shows that there is a window.
    else expect(frames[0]).not.toHaveProperty('capturedAtMs');
    expect(captured(frames.at(-1)!, 1)).toBeGreaterThan(leftAt - 100);
  });
});

describe('a script that was stopped, whose channels stay', () => {
  async function stop(link: string): Promise<void> {
    const camera = await connectCamera({ port: link });
    try {
      await camera.stop();
      expect((await camera.channels()).map((channel) => channel.name)).toContain('frame');
    } finally {
      await camera.close();
    }
  }

  it('is sent again', async () => {
    const { link } = await serve('stopped');
    await stop(link);
    const program = new Program(['--port', link, '--frames', '20', '--json', '--no-shm']);
    programs.push(program);
    expect((await program.ended).status, program.stderr).toBe(0);
    expectSequence(program.of('frame'), 20);
    expect(program.of('error')).toEqual([]);
  });

  it('is not with --no-script: an error says that none runs', async () => {
    const { link } = await serve('stopped-no-script');
    await stop(link);
    const { status, stderr } = await run(['--port', link, '--no-script', '--no-shm']);
    expect(stderr).toMatch(/No script runs on the camera.*\[CHANNEL_MISSING\]/);
    expect(status).toBe(4);
  });
});
