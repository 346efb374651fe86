/** `--port replay:FILE` on a recording of frames without the bytes of a line: the bridge runs on the recorded frames. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Bridge, createBridge } from '../../../src/bridge/index.js';
import type { Frame } from '../../../src/frames/index.js';
import { type JsonLine, Program, run } from '../program/program.js';
import { EXAMPLE_NODE, leftovers, segmentName, useScratch } from '../program/support.js';

const FRAMES = 12;
const scratch = useScratch();
const port = (): string => `replay:${scratch.path('run.mcap')}`;
/** Of the run that was recorded: its JSON lines, and the JPEGs that it saved beside. */
let live: readonly JsonLine[] = [];
let saved: readonly Buffer[] = [];

beforeAll(async () => {
  const record = ['--record', scratch.path('run.mcap'), '--save', scratch.path('live'), '--no-shm', '--json'];
  const program = new Program(['--port', 'virtual', '--frames', String(FRAMES), ...record]);
  expect((await program.ended).status).toBe(0);
  live = program.of('frame');
  saved = jpegs(scratch.path('live'));
  expect(saved).toHaveLength(FRAMES);
});

const jpegs = (folder: string): Buffer[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith('.jpg'))
    .sort()
    .map((name) => readFileSync(`${folder}/${name}`));

function replayed(options: Parameters<typeof createBridge>[0] = {}): { bridge: Bridge; frames: Frame[] } {
  const bridge = createBridge({ port: port(), shm: false, ...options });
  const frames: Frame[] = [];
  bridge.frames$.subscribe({ next: (frame) => frames.push(frame), error: () => undefined });
  return { bridge, frames };
}

const same = (frames: readonly Frame[]): void => {
  expect(frames.map(({ sequence }) => sequence)).toEqual(saved.map((_, index) => index + 1));
  for (const [index, frame] of frames.entries()) expect(saved[index]!.equals(frame.jpeg)).toBe(true);
};

/** Distances from the first, to a hundredth of a millisecond: times as large as these are no more exact in a double. */
const distances = (times: readonly number[]): number[] =>
  times.map((time) => Math.round((time - times[0]!) * 100) / 100);

describe('recorded frames', () => {
  it('come again byte for byte, in order, with the distances of their captures, and the run ends', async () => {
    const { bridge, frames } = replayed({ speed: 'max' });
    await bridge.start();
    await bridge.done;
    same(frames);
    expect(new Set(frames.map(({ cameraId }) => cameraId))).toEqual(new Set([live[0]!['cameraId']]));
    for (const field of ['capturedAtMs', 'timestampMs'] as const) {
      const now = distances(frames.map((frame) => frame[field]!));
      const then = distances(live.map((line) => line[field]));
      for (const [index, distance] of now.entries()) expect(distance).toBeCloseTo(then[index]!, 1);
    }
    expect(frames.map(({ capturedErrorMs }) => capturedErrorMs)).toEqual(
      live.map(({ capturedErrorMs }) => capturedErrorMs),
    );
    expect(bridge.stats()).toMatchObject({ delivered: FRAMES, dropped: 0, repaired: 0 });
  });

  it('keep their distances at the original speed, and a part of them at others', async () => {
    const spanMs = live.at(-1)!['timestampMs'] - live[0]!['timestampMs'];
    for (const speed of [1, 2]) {
      const { bridge, frames } = replayed({ speed });
      const came: number[] = [];
      bridge.frames$.subscribe({ next: () => came.push(performance.now()), error: () => undefined });
      await bridge.start();
      await bridge.done;
      same(frames);
      // Half of it: on a busy machine the first one may come late. Without the distances it takes a few milliseconds.
      expect(came.at(-1)! - came[0]!).toBeGreaterThan(spanMs / speed / 2);
    }
  });

  it('go on where they were stopped, and wait for a slow subscriber', async () => {
    const { bridge, frames } = replayed({ speed: 'max' });
    bridge.frames$.subscribe({
      next: ({ sequence }) => {
        bridge.hold(new Promise((resolve) => setTimeout(resolve, 20)));
        if (sequence === 4) void bridge.stopStreaming();
      },
      error: () => undefined,
    });
    await bridge.start();
    await expect.poll(() => bridge.state, { timeout: 20_000 }).toBe('paused');
    expect(frames).toHaveLength(4);
    await bridge.startStreaming();
    await bridge.done;
    same(frames);
  });

  it('end at once when the bridge is closed among them', async () => {
    // Half a minute from one frame to the next.
    const { bridge, frames } = replayed({ speed: 0.001 });
    await bridge.start();
    await expect.poll(() => frames.length, { timeout: 20_000 }).toBe(1);
    await bridge.close();
    await bridge.done;
    expect(frames).toHaveLength(1);
  });

  it('have no camera behind them: what needs one is refused', async () => {
    const { bridge } = replayed({ streaming: false });
    await bridge.start();
    const unsupported = { code: 'UNSUPPORTED', message: expect.stringContaining('recording') };
    await expect(bridge.camera.controls.set({ quality: 30 })).rejects.toMatchObject(unsupported);
    await expect(bridge.camera.channels()).rejects.toMatchObject(unsupported);
    await expect(bridge.execScript('print(1)')).rejects.toMatchObject(unsupported);
    await expect(bridge.stopScript()).rejects.toMatchObject(unsupported);
    await expect(bridge.resetCamera()).rejects.toMatchObject(unsupported);
    await expect(bridge.installScript()).rejects.toMatchObject(unsupported);
    await expect(bridge.trigger()).rejects.toMatchObject(unsupported);
    await bridge.close();
    const triggered = replayed({ trigger: 'host' }).bridge;
    await expect(triggered.start()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('the command line on recorded frames', () => {
  it('runs shared memory, files and the algorithm on them, and ends with 0', async () => {
    const name = segmentName();
    const stores = ['--shm-name', name, '--save', scratch.path('again'), '--json', '--delivery', 'every'];
    const words = ['--port', port(), '--speed', 'max', ...stores];
    const program = new Program([...words, '--', process.execPath, EXAMPLE_NODE]);
    const { status, stderr } = await program.ended;
    expect(stderr).toMatch(/disconnected: The recording .*run.mcap has ended/);
    expect(status).toBe(0);
    expect(program.of('frame').map(({ crc32 }) => crc32)).toEqual(live.map(({ crc32 }) => crc32));
    expect(program.of('result')).toHaveLength(FRAMES);
    expect(jpegs(scratch.path('again'))).toEqual(saved);
    expect(leftovers(name, program.pid)).toEqual([]);
  });

  it('over and over, until it is stopped', async () => {
    const program = new Program(['--port', port(), '--speed', 'max', '--loop', '--no-shm', '--json']);
    await expect.poll(() => program.of('start').length, { timeout: 40_000 }).toBeGreaterThan(2);
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
    const all = program.of('frame').map(({ sequence, crc32 }) => `${sequence} ${crc32}`);
    const once = live.map(({ sequence, crc32 }) => `${sequence} ${crc32}`);
    expect(all.slice(0, 2 * FRAMES)).toEqual([...once, ...once]);
  });

  it('of several cameras: says which there are, and takes the one that is named', async () => {
    const two = scratch.path('two.mcap');
    const cameras = ['--port', 'virtual', '--port', 'virtual', '--frames', '3', '--no-shm', '--json'];
    const recorded = new Program([...cameras, '--record', two]);
    expect((await recorded.ended).status).toBe(0);
    const ids = [...new Set(recorded.of('frame').map(({ cameraId }) => cameraId as string))].sort();
    expect(ids).toHaveLength(2);
    const words = ['--port', `replay:${two}`, '--speed', 'max', '--no-shm', '--json'];
    const unnamed = await run(words);
    expect(unnamed.stderr).toContain(`has frames of several cameras: ${ids.join(', ')}.`);
    expect(unnamed.stderr).toContain('--camera-id');
    expect(unnamed.status).toBe(2);
    for (const id of ids) {
      const named = new Program([...words, '--camera-id', id]);
      expect((await named.ended).status).toBe(0);
      const then = recorded.of('frame').filter(({ cameraId }) => cameraId === id);
      expect(named.of('frame').map(({ crc32 }) => crc32)).toEqual(then.map(({ crc32 }) => crc32));
    }
  });

  it('of a recording that was cut off: all that is in it', async () => {
    const whole = readFileSync(scratch.path('run.mcap'));
    writeFileSync(scratch.path('cut.mcap'), whole.subarray(0, whole.length - 100));
    const cut = new Program([
      '--port',
      `replay:${scratch.path('cut.mcap')}`,
      '--speed',
      'max',
      '--no-shm',
      '--json',
    ]);
    expect((await cut.ended).status).toBe(0);
    expect(cut.of('frame').map(({ crc32 }) => crc32)).toEqual(live.map(({ crc32 }) => crc32));
  });
});
