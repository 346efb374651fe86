/**
 * Lines that are recorded here and now, and replayed. What a host does on a busy machine may hang on its own delays, which no
 * recording has: such a replay ends with REPLAY_DIVERGED. Its deliveries up to there must be the live ones, and another
 * recording must replay to its end.
 */
import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { createBridge } from '../../../src/bridge/index.js';
import type { BridgeError } from '../../../src/errors.js';
import { ofKind, readWhole } from '../../support/recording.js';
import { type JsonLine, Program } from '../program/program.js';
import { useScratch } from '../program/support.js';

const scratch = useScratch();
const FRAMES = 12;
/** Recordings of which one must replay to its end, and the time for all of them on a busy machine. */
const ATTEMPTS = 5;
const LIMIT_MS = 180_000;
/** A packet of the camera amid the frames. */
const BREAK_AT = 60;

/** The line breaks once, in the camera's first life. */
function breaking(kind: 'hangup' | 'reboot'): string[] {
  const life = (number: number) => ({ type: 'line', camera: 1, life: number, throttle: 0 });
  const packets = { toHost: BREAK_AT, toCamera: BREAK_AT };
  const lines = [life(1), { type: 'fault', camera: 1, direction: 'to-host', packets, kind }, life(2)];
  const path = scratch.path(`${kind}.jsonl`);
  writeFileSync(path, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return ['--virtual-faults', `replay:${path}`];
}

interface Live {
  readonly file: string;
  readonly jpegs: readonly Buffer[];
  /** From the first frame to the last. */
  readonly ms: number;
  readonly connected: readonly JsonLine[];
  readonly disconnected: readonly JsonLine[];
}

async function record(name: string, words: readonly string[]): Promise<Live> {
  const file = scratch.path(`${name}.mcap`);
  // No more sinks than the replay has: one that takes its time makes the host ask later.
  const stores = ['--no-shm', '--json', '--record', file, '--record-wire'];
  const program = new Program(['--port', 'virtual', '--frames', String(FRAMES), ...stores, ...words]);
  expect((await program.ended).status, program.stderr).toBe(0);
  const frames = ofKind(await readWhole(file), 'frame');
  expect(frames).toHaveLength(FRAMES);
  const jpegs = frames.map(({ value }) => Buffer.from(value.data));
  const ms = Number(frames.at(-1)!.logTime - frames[0]!.logTime) / 1e6;
  return { file, jpegs, ms, connected: program.of('connected'), disconnected: program.of('disconnected') };
}

/** Whether it came to its end. */
async function replay(live: Live, speed: number | 'max' = 'max'): Promise<boolean> {
  const { file, jpegs, connected, disconnected } = live;
  const bridge = createBridge({ port: `replay:${file}`, shm: false, speed });
  const frames: Buffer[] = [];
  const broken: string[] = [];
  const links: (boolean | undefined)[] = [];
  bridge.frames$.subscribe({ next: ({ jpeg }) => frames.push(Buffer.from(jpeg)), error: () => undefined });
  bridge.events$.subscribe((event) => {
    if (event.type === 'connected') links.push(event.ack);
    if (event.type === 'disconnected') broken.push(event.code);
  });
  const error = await bridge.start().then(
    () => bridge.done.catch((cause: BridgeError) => cause),
    (cause: BridgeError) => cause,
  );
  for (const [index, frame] of frames.entries()) {
    expect(jpegs[index]?.equals(frame), `frame ${index + 1} is the live one`).toBe(true);
  }
  if (error) {
    expect(error.code, error.message).toBe('REPLAY_DIVERGED');
    expect(error.message).toContain('The host does something else than when');
    return false;
  }
  expect(frames).toHaveLength(jpegs.length);
  expect(links).toEqual(connected.map((line) => line['ack']));
  expect(broken).toEqual([...disconnected.map((line) => line['code']), 'RECORDING_ENDED']);
  return true;
}

it.each<[string, () => string[], (live: Live) => void]>([
  ['acks on', () => ['--ack', 'on'], ({ connected }) => expect(connected[0]).toMatchObject({ ack: true })],
  ['checksums off', () => ['--no-crc'], ({ connected }) => expect(connected).toHaveLength(1)],
  ['a reboot', () => breaking('reboot'), ({ connected }) => expect(connected).toHaveLength(2)],
  ['a hang-up', () => breaking('hangup'), ({ connected }) => expect(connected).toHaveLength(2)],
])(
  '%s: the frames come again byte for byte, and the line breaks where it broke',
  async (name, words, isSo) => {
    for (let attempt = 1; ; attempt++) {
      const live = await record(`${name.replaceAll(' ', '-')}-${attempt}`, words());
      isSo(live);
      if (await replay(live)) return;
      expect(attempt, 'recordings in a row that diverged').toBeLessThan(ATTEMPTS);
    }
  },
  LIMIT_MS,
);

it(
  'checksums off: the speed is the recorded one, or what was asked for',
  async () => {
    for (let attempt = 1; ; attempt++) {
      const live = await record(`speed-${attempt}`, ['--no-crc']);
      const began = performance.now();
      if (await replay(live, 0.5)) {
        expect(performance.now() - began).toBeGreaterThan(live.ms);
        return;
      }
      expect(attempt, 'recordings in a row that diverged').toBeLessThan(ATTEMPTS);
    }
  },
  LIMIT_MS,
);
