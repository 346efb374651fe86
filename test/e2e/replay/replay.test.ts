/** `--port replay:FILE`: a recorded line gives the frames again that it gave, through the real decoder and link. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createBridge } from '../../../src/bridge/index.js';
import { Program, run } from '../program/program.js';
import { useScratch } from '../program/support.js';

const scratch = useScratch();
const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
/** Recorded from a virtual camera whose line lost, damaged and doubled packets; what the bridge delivered then stands beside it. */
const RECORDING = root('test/golden/fault-run.jsonl.br');
const LIVE = JSON.parse(readFileSync(root('test/golden/fault-run.json'), 'utf8')) as {
  readonly frames: readonly string[];
};

describe('a replayed line', () => {
  it('of a run with faults gives the same deliveries as the live run', async () => {
    const bridge = createBridge({ port: `replay:${RECORDING}`, shm: false, speed: 'max' });
    const frames: string[] = [];
    bridge.frames$.subscribe({
      next: (frame) => frames.push(`${frame.sequence} ${frame.captureNumber} ${frame.crc32}`),
      error: () => undefined,
    });
    await bridge.start();
    await expect(bridge.camera.controls.set({ quality: 30 })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await bridge.done;
    const { droppedByReason: dropped, repaired, link } = bridge.stats();
    const { resyncs, retries } = link;
    expect({ frames, dropped, repaired, resyncs, retries }).toEqual(LIVE);
  });

  it('over and over, until it is stopped', async () => {
    const program = new Program([
      '--port',
      `replay:${RECORDING}`,
      '--speed',
      'max',
      '--loop',
      '--no-shm',
      '--json',
    ]);
    await expect.poll(() => program.of('start').length, { timeout: 40_000 }).toBeGreaterThan(2);
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
    const pictures = program.of('frame').map(({ sequence, crc32 }) => `${sequence} ${crc32}`);
    const known = LIVE.frames.map((line) => line.replace(/ .* /, ' '));
    expect(pictures.slice(0, 2 * known.length)).toEqual([...known, ...known]);
  });

  it('over and over also as a configuration file says; with a camera that is refused', async () => {
    const path = scratch.path('loop.json');
    const config = { json: true, shm: false, loop: true, port: `replay:${RECORDING}`, speed: 'max' };
    writeFileSync(path, JSON.stringify(config));
    const program = new Program(['--config', path]);
    await expect.poll(() => program.of('start').length, { timeout: 40_000 }).toBeGreaterThan(1);
    program.kill('SIGTERM');
    expect((await program.ended).status).toBe(0);
    for (const name of ['loop', 'speed'] as const) {
      writeFileSync(path, JSON.stringify({ shm: false, port: 'virtual', [name]: config[name] }));
      const { status, stderr } = await run(['--config', path]);
      expect(stderr).toContain(`${name} has no effect without a recording`);
      expect(stderr).toContain(`(--${name}) [OPTION_INVALID]`);
      expect(status).toBe(2);
    }
  });

  it('where the host does something else: says what, and ends with 1', async () => {
    const words = ['--port', `replay:${RECORDING}`, '--speed', 'max', '--no-shm', '--source', 'preview'];
    const { status, stderr } = await run(words);
    expect(stderr).toMatch(/does something else than when .*fault-run.* was recorded.*REPLAY_DIVERGED/);
    expect(status).toBe(1);
  });

  it('a file without a line says what is missing', async () => {
    writeFileSync(scratch.path('empty.jsonl'), '');
    const empty = await run(['--port', `replay:${scratch.path('empty.jsonl')}`, '--no-shm']);
    expect(empty.stderr).toMatch(/has no bytes of a line in it/);
    expect(empty.status).toBe(2);
  });

  it('is read from what --record-wire has written', async () => {
    const path = scratch.path('line.mcap');
    const record = ['--record', path, '--record-wire', '--frames', '3', '--no-shm', '--quiet'];
    expect((await run(['--port', 'virtual', ...record])).status).toBe(0);
    const { stdout, status } = await run(['inspect', path]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/line virtual \(virtual\) opened\n.* -> PROTO_SYNC/);
    expect(stdout).toMatch(/<- CHANNEL_READ +ch \d frame .*crc ok/);
    expect(stdout).not.toMatch(/no packet|damaged/);
  });
});
