/** A bridge in a small /dev/shm goes on without the layout that does not fit. */
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { MAIN } from '../program/program.js';
import { Child, unshare } from './support.js';

interface Line {
  readonly type: string;
  readonly code?: string;
  readonly message?: string;
  readonly sequence?: number;
  readonly sharedMemId?: string | null;
  readonly error?: { readonly code: string };
  readonly delivered?: number;
  readonly lost?: number;
  readonly algorithm?: Record<string, number>;
}

const SMALL_SHM = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"';

test.skipIf(unshare === undefined).each([
  ['the ring', ['--shm-name', '/a', '--shm-size', '200K', '--ring', '/b'], '/b', '/a'],
  [
    'the latest frame',
    ['--shm-name', '/a', '--ring', '/b', '--ring-slots', '4', '--ring-slot-size', '100K'],
    '/a',
    '/b',
  ],
  ['decoded arrays', ['--shm-name', '/a', '--shm-size', '900K', '--arrays', 'c'], '/c_image_shm', '/a'],
] as const)('without %s (needs the right to mount a small one)', async (_, args, full, kept) => {
  const bridge = ['--port', 'virtual', '--json', '--frames', '40', ...args];
  const command = ['sh', '-c', SMALL_SHM, 'sh', process.execPath, MAIN, ...bridge];
  const child = new Child('unshare', [...unshare!, ...command]);
  const errors: Line[] = [];
  const frames: Line[] = [];
  while (frames.length < 40) {
    const line = await child.json<Line>();
    if (line.type === 'error') errors.push(line);
    if (line.type === 'frame') frames.push(line);
  }
  expect(await child.exited).toBe(0);
  // Told once, not with every frame.
  expect(errors.map(({ code }) => code)).toEqual(['SHM_FULL']);
  expect(errors[0]!.message).toContain(full);
  expect(new Set(frames.map(({ sharedMemId }) => sharedMemId))).toEqual(new Set([kept]));
});

const ALGORITHM = fileURLToPath(new URL('../../../tools/algorithms/example_algorithm.mjs', import.meta.url));

/**
 * Runs a bridge in a small /dev/shm with only so many bytes free, until `told` has come; then there is room, until `over`
 * has come as well. All its lines.
 */
async function runWhileFull(
  free: number,
  args: readonly string[],
  told: (line: Line) => boolean,
  over: (line: Line) => boolean,
): Promise<Line[]> {
  const script = `mount -t tmpfs -o size=1m tmpfs /dev/shm
    dd if=/dev/zero of=/dev/shm/filler bs=4k 2>/dev/null; truncate -s -${free} /dev/shm/filler
    exec 3<&0; (read line <&3; rm /dev/shm/filler) & exec "$@"`;
  const bridge = ['--port', 'virtual', '--json', '--quiet', ...args];
  const child = new Child('unshare', [
    ...unshare!,
    'sh',
    '-c',
    script,
    'sh',
    process.execPath,
    MAIN,
    ...bridge,
  ]);
  const lines: Line[] = [];
  const next = async (): Promise<Line> => {
    lines.push(await child.json<Line>());
    return lines.at(-1)!;
  };
  while (!told(await next()));
  child.say('there is room');
  while (!over(await next()));
  child.process.kill('SIGINT');
  for (;;) {
    const line = await child.json<Line>().catch(() => undefined);
    if (line === undefined) break;
    lines.push(line);
  }
  expect(await child.exited).toBe(0);
  return lines;
}

test.skipIf(unshare === undefined)(
  'a segment that found no room at the start is there when there is room (needs the right to mount)',
  async () => {
    const lines = await runWhileFull(
      0,
      ['--shm-name', '/a', '--shm-size', '200K'],
      ({ type }) => type === 'frame',
      ({ type, sharedMemId }) => type === 'frame' && sharedMemId !== null,
    );
    expect(lines.filter(({ type }) => type === 'error').map(({ code }) => code)).toEqual(['SHM_FULL']);
    const recovered = lines.findIndex(({ type }) => type === 'recovered');
    expect(lines[recovered]).toMatchObject({ sink: 'segment', lost: expect.any(Number) });
    const places = (part: readonly Line[]) =>
      new Set(part.filter(({ type }) => type === 'frame').map(({ sharedMemId }) => sharedMemId));
    // The line of the frame that is written first comes after that of the recovery.
    expect(places(lines.slice(0, recovered))).toEqual(new Set([null]));
    expect(places(lines.slice(recovered))).toEqual(new Set(['/a']));
  },
);

test.skipIf(unshare === undefined).each([
  ['the directory of images, and for no image', 8_192],
  ['nothing', 0],
])(
  'every frame has one outcome while /dev/shm has room for %s, and recovery is told (needs the right to mount)',
  async (_, room) => {
    const lines = await runWhileFull(
      room,
      ['--no-shm', '--', process.execPath, ALGORITHM],
      ({ error }) => error !== undefined,
      ({ type, error }) => type === 'result' && error === undefined,
    );
    const frames = lines.filter(({ type }) => type === 'frame').map(({ sequence }) => sequence!);
    const outcomes = lines.filter(({ type }) => type === 'result' || type === 'skipped');
    expect(outcomes.map(({ sequence }) => sequence!).sort((a, b) => a - b)).toEqual(frames);
    const failed = outcomes.filter(({ error }) => error !== undefined);
    expect(failed.length).toBeGreaterThan(0);
    expect(new Set(failed.map(({ error }) => error!.code))).toEqual(new Set(['SHM_FULL']));
    // Each time that it fails is told once; a smaller frame may have found room in between.
    const told = lines.filter(({ type }) => type === 'error');
    const recovered = lines.filter(({ type }) => type === 'recovered');
    expect(new Set(told.map(({ code }) => code))).toEqual(new Set(['SHM_FULL']));
    expect(recovered).toHaveLength(told.length);
    expect(recovered.reduce((sum, { lost }) => sum + lost!, 0)).toBe(failed.length);
    const { algorithm, delivered } = lines.findLast(({ type }) => type === 'stats')!;
    expect(delivered).toBe(frames.length);
    const { ok, ng, failed: counted, skipped, pending } = algorithm!;
    expect([ok! + ng! + counted! + skipped!, pending, counted]).toEqual([delivered, 0, failed.length]);
  },
);
