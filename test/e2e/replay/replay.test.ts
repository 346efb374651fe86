/** `--port replay:FILE`: a recorded line gives the frames again that it gave, through the real decoder and link. */
import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createBridge } from '../../../src/bridge/index.js';
import type { BridgeInput } from '../../../src/options/index.js';
import { entriesOf, type WireEntry, wireLine } from '../../../src/replay/index.js';
import { Program, run } from '../program/program.js';
import { useScratch } from '../program/support.js';

const scratch = useScratch();

interface Told {
  readonly frames: string[];
  readonly dropped: Record<string, number>;
  readonly stats: { readonly resyncs: number; readonly timeouts: number; readonly retries: number };
  readonly repaired: number;
}

/** Runs a bridge to its end; what it delivered and lost. */
async function told(input: BridgeInput, entries?: WireEntry[]): Promise<Told> {
  const frames: string[] = [];
  const tap = entries && entriesOf((entry) => entries.push(entry));
  const bridge = createBridge({ shm: false, ...input }, { tap });
  bridge.frames$.subscribe((frame) =>
    frames.push(`${frame.sequence} ${frame.captureNumber} ${frame.width}x${frame.height} ${frame.crc32}`),
  );
  await bridge.start();
  await bridge.done;
  const { droppedByReason, link, repaired } = bridge.stats();
  const { resyncs, timeouts, retries } = link;
  return { frames, dropped: droppedByReason, stats: { resyncs, timeouts, retries }, repaired };
}

function write(name: string, entries: readonly WireEntry[]): string {
  const path = scratch.path(name);
  writeFileSync(path, `${entries.map(wireLine).join('\n')}\n`);
  return path;
}

describe('a replayed line', () => {
  it.each([
    ['no faults', {}, {}],
    ['damage', {}, { faults: 'drop=2%,flip=2%,cut=1%,double=1%,seed=11' }],
    ['damage, acks on', { ack: 'on' }, { faults: 'drop=2%,flip=2%,seed=12' }],
    ['garbage, delays, restarts of the script', {}, { faults: 'garbage=2%,delay=2%,reboot=0.5%,seed=13' }],
    ['lines that break', {}, { faults: 'hangup=1%,flip=1%,seed=14' }],
    ['no checksums, small packets', { crc: false, maxPayload: 498 }, {}],
  ] as const)('gives the same deliveries: %s', async (name, options, virtual) => {
    const entries: WireEntry[] = [];
    const input = { port: 'virtual', frames: 40, ...options, virtual: { fps: 60, ...virtual } };
    const live = await told(input, entries);
    const path = write(`${name}.jsonl`, entries);
    const again = await told({ port: `replay:${path}`, speed: 'max' });
    expect(again).toEqual(live);
    expect(again.frames).toHaveLength(40);
  });

  it('at its speed, over and over, until it is stopped', async () => {
    const entries: WireEntry[] = [];
    const { frames } = await told({ port: 'virtual', frames: 5 }, entries);
    const path = write('loop.jsonl', entries);
    const program = new Program(['--port', `replay:${path}`, '--speed', '2', '--loop', '--no-shm', '--json']);
    await expect.poll(() => program.of('start').length, { timeout: 40_000 }).toBeGreaterThan(2);
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
    const pictures = program.of('frame').map(({ sequence, crc32 }) => `${sequence} ${crc32}`);
    const known = frames.map((line) => line.replace(/ .* /, ' '));
    expect(pictures.slice(0, 10)).toEqual([...known, ...known]);
  });

  it('waits for a consumer that is slow, and loses nothing', async () => {
    const entries: WireEntry[] = [];
    const { frames } = await told({ port: 'virtual', frames: 8, virtual: { fps: 'max' } }, entries);
    const bridge = createBridge({ port: `replay:${write('slow.jsonl', entries)}`, shm: false, speed: 'max' });
    let taken = 0;
    const iterated = (async () => {
      for await (const _ of bridge.frames()) {
        taken++;
        await pause(150);
      }
    })();
    await bridge.start();
    await iterated;
    expect(taken).toBe(frames.length);
  });

  it('makes the requests again that others made, and takes no new settings', async () => {
    const entries: WireEntry[] = [];
    const bridge = createBridge(
      { port: 'virtual', shm: false },
      { tap: entriesOf((entry) => entries.push(entry)) },
    );
    const live: string[] = [];
    bridge.frames$.subscribe((frame) => live.push(frame.crc32));
    await bridge.start();
    await expect.poll(() => live.length).toBeGreaterThan(3);
    await bridge.stopStreaming();
    await bridge.camera.deviceStats();
    await bridge.close();
    const replayed = createBridge({
      port: `replay:${write('ask.jsonl', entries)}`,
      shm: false,
      speed: 'max',
    });
    const frames: string[] = [];
    replayed.frames$.subscribe({ next: (frame) => frames.push(frame.crc32), error: () => undefined });
    await replayed.start();
    await expect(replayed.camera.controls.set({ quality: 30 })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    await replayed.done;
    expect(frames).toEqual(live);
  });

  it('from a recording of the command line: the same deliveries of a run with faults', async () => {
    const path = scratch.path('faults.mcap');
    const faults = ['--virtual-fps', '60', '--virtual-faults', 'drop=2%,flip=2%,hangup=0.5%,seed=21'];
    const record = ['--record', path, '--record-wire', '--frames', '40', '--no-shm', '--json'];
    const live = new Program(['--port', 'virtual', ...faults, ...record]);
    expect((await live.ended).status).toBe(0);
    const again = new Program(['--port', `replay:${path}`, '--speed', 'max', '--no-shm', '--json']);
    expect((await again.ended).stderr).not.toContain('REPLAY_DIVERGED');
    const told = (program: Program): string[] =>
      program.lines.flatMap((line) => {
        if (line.type === 'frame') return [`${line['sequence']} ${line['crc32']}`];
        return line.type === 'dropped' ? [`${line['reason']} ${line['count']}`] : [];
      });
    expect(told(again)).toEqual(told(live));
    expect(again.of('frame')).toHaveLength(40);
    const inspected = await run(['inspect', path, '--errors']);
    expect(inspected.stdout).toMatch(/crc damaged/);
  });

  it('where the host does something else: says what', async () => {
    const entries: WireEntry[] = [];
    await told({ port: 'virtual', frames: 3 }, entries);
    const path = write('other.jsonl', entries);
    const { status, stderr } = await run([
      '--port',
      `replay:${path}`,
      '--speed',
      'max',
      '--no-shm',
      '--source',
      'preview',
    ]);
    expect(stderr).toMatch(
      /does something else than when .*other\.jsonl was recorded.*then it sent .*, now .*REPLAY_DIVERGED/,
    );
    expect(status).toBe(1);
  });

  it('a run ends with it; a file without a line says what is missing', async () => {
    const entries: WireEntry[] = [];
    const { frames } = await told({ port: 'virtual', frames: 3 }, entries);
    const path = write('run.jsonl', entries);
    const { status, stdout } = await run([
      '--port',
      `replay:${path}`,
      '--speed',
      'max',
      '--no-shm',
      '--json',
    ]);
    expect(status).toBe(0);
    expect(stdout.match(/"type":"frame"/g)).toHaveLength(frames.length);
    writeFileSync(scratch.path('empty.jsonl'), '');
    const empty = await run(['--port', `replay:${scratch.path('empty.jsonl')}`, '--no-shm']);
    expect(empty.stderr).toMatch(/has no bytes of a line in it/);
    expect(empty.status).toBe(2);
  });
});
