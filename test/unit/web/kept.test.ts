/** What the server keeps is bounded: frames, results, NG frames in memory and in a folder, figures. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { FrameOutcome } from '../../../src/bridge/index.js';
import type { Frame } from '../../../src/frames/index.js';
import { FrameRing, RING_BYTES, RING_FRAMES } from '../../../src/web/frame-ring.js';
import { History, SPAN_MS } from '../../../src/web/history.js';
import { KeptFrames } from '../../../src/web/kept-frames.js';
import { UsageMeter, usageOf } from '../../../src/web/process-usage.js';
import { RECENT, Results } from '../../../src/web/results.js';
import { FakeBridge } from '../../fakes/fake-bridge.js';

const scratch = mkdtempSync(join(tmpdir(), 'openmv-web-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('frames in memory', () => {
  it('are the last ones', () => {
    const ring = new FrameRing();
    expect(ring.range).toBe(null);
    const fake = new FakeBridge();
    for (let n = 0; n < RING_FRAMES + 10; n++) ring.add(fake.frame(10));
    expect(ring.range).toEqual({ first: 11, last: RING_FRAMES + 10 });
    expect(ring.get(10)).toBe(undefined);
    expect(ring.get(11)?.sequence).toBe(11);
    expect(ring.latest?.sequence).toBe(RING_FRAMES + 10);
  });

  it('are fewer when they are large; the latest stays', () => {
    const ring = new FrameRing();
    const fake = new FakeBridge();
    for (let n = 0; n < 5; n++) ring.add(fake.frame(RING_BYTES / 4));
    expect(ring.range).toEqual({ first: 2, last: 5 });
    ring.add(fake.frame(RING_BYTES + 1));
    expect(ring.range).toEqual({ first: 6, last: 6 });
  });
});

/** Results of a camera, and what gives them. */
function results(most: number, folder?: string, bytes?: number): { results: Results; fake: FakeBridge } {
  const fake = new FakeBridge('cam/../1');
  const all = new Results(new KeptFrames(fake.cameraId, most, folder, bytes));
  fake.outcomes$.subscribe((outcome: FrameOutcome) => all.add(outcome));
  return { results: all, fake };
}

describe('results', () => {
  it('NG frames that a slow disk did not take, or that could not be written, are counted', async () => {
    const folder = mkdtempSync(join(scratch, 'slow-'));
    const { results: all, fake } = results(100, folder);
    await all.kept.settled();
    for (let n = 0; n < 20; n++) fake.judge('ng');
    await all.kept.settled();
    expect(all.kept.all).toHaveLength(16);
    expect(all.kept.lost).toBe(4);
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'a file where the folder was');
    fake.judge('ng');
    await all.kept.settled();
    expect(all.kept.lost).toBe(5);
  });

  it('are the last ones; NG ones stay longer', () => {
    const { results: all, fake } = results(3);
    for (let n = 0; n < 5; n++) fake.judge('ng', { ngReason: n < 3 ? 'scratch' : undefined });
    for (let n = 0; n < RECENT; n++) fake.judge('ok');
    fake.judge('skipped');
    expect(all.counts).toEqual({ ok: RECENT, ng: 5, failed: 0, skipped: 1 });
    const sequences = (filter: object): number[] =>
      all.list({ limit: 1_000, ...filter }).map(({ sequence }) => sequence);
    expect(sequences({ outcomes: ['ng'] }).sort()).toEqual([3, 4, 5]);
    expect(sequences({ kept: true })).toHaveLength(3);
    expect(sequences({ reason: 'scratch' })).toEqual([3]);
    expect(all.reasons(true)).toEqual({ scratch: 1, '': 2 });
    expect(sequences({})).toHaveLength(RECENT + 3);
    expect(sequences({ limit: 2 })).toHaveLength(2);
  });

  it('of long texts and many rectangles are cut', () => {
    const { results: all, fake } = results(1);
    const rect = { x: 1, y: 2, width: 3, height: 4, label: 'a' };
    fake.judge('ng', {
      ngReason: 'x'.repeat(10_000),
      defectRects: Array.from({ length: 1_000 }, () => rect),
    });
    const [one] = all.list({ limit: 1 });
    expect(one!.reason).toHaveLength(2_000);
    expect(one!.defectRects).toHaveLength(100);
  });

  it('that failed say why', () => {
    const { results: all, fake } = results(1);
    fake.judge('failed', { error: { code: 'RUNNER_TIMEOUT', message: 'too long' } });
    fake.judge('failed', {
      error: { code: 'ALGORITHM_FAILED', message: 'no light' },
      algorithmCode: { code: '1009', name: 'light_missing' },
    });
    expect(all.list({ limit: 2 }).map(({ reason, message }) => [reason, message])).toEqual([
      ['light_missing', 'no light'],
      ['RUNNER_TIMEOUT', 'too long'],
    ]);
  });
});

describe('NG frames', () => {
  it('in memory are bounded by count and bytes', async () => {
    const { results: all, fake } = results(10, undefined, 35_000);
    const frames = Array.from({ length: 5 }, () => fake.judge('ng'));
    expect(all.kept.all.map(({ sequence }) => sequence)).toEqual([3, 4, 5]);
    const { key } = all.kept.all[0]!;
    expect(await all.kept.jpeg(key)).toBe(frames[2]!.jpeg);
    expect(await all.kept.jpeg('other-1')).toBe(undefined);
  });

  it('none are kept if so asked', () => {
    const { results: all, fake } = results(0);
    fake.judge('ng');
    expect(all.kept.all).toEqual([]);
    expect(all.list({ limit: 5 })).toHaveLength(1);
  });

  it('in a folder are bounded, found again, and strange files left alone', async () => {
    const folder = join(scratch, 'ng');
    const first = results(3, folder);
    await first.results.kept.settled();
    const frames = Array.from({ length: 5 }, () => first.fake.judge('ng'));
    await first.results.kept.settled();
    const files = readdirSync(folder);
    expect(files).toHaveLength(6);
    // The id of a camera, whatever it has in it, leads out of no folder.
    for (const name of files) expect(name).toMatch(/^ng-cam____1-[0-9a-f]{8}-\d+-a-run-of-\d\.(jpg|json)$/);
    const mine = files.find((name) => name.endsWith('.json'))!;
    writeFileSync(join(folder, 'holiday.jpg'), 'mine');
    writeFileSync(join(folder, mine.replace(/-\d\.json$/, '-9.json')), '{"half":');
    const again = results(2, folder);
    await again.results.kept.settled();
    expect(again.results.kept.all.map(({ sequence }) => sequence)).toEqual([4, 5]);
    const jpeg = await again.results.kept.jpeg(again.results.kept.all[1]!.key);
    expect(Buffer.from(jpeg!)).toEqual(Buffer.from(frames[4]!.jpeg));
    expect(readdirSync(folder)).toContain('holiday.jpg');
    // Another camera's are not shown.
    const other = new KeptFrames('cam____1', 5, folder);
    await other.settled();
    expect(other.all).toEqual([]);
  });

  it('that cannot be written are told, until they can', async () => {
    const file = join(scratch, 'a-file');
    writeFileSync(file, '');
    const { results: all, fake } = results(3, file);
    fake.judge('ng');
    await all.kept.settled();
    expect(all.kept.failure).toMatchObject({ code: 'FILE_FAILED', message: expect.stringContaining(file) });
    expect(all.kept.all).toEqual([]);
    rmSync(file);
    fake.judge('ng');
    await all.kept.settled();
    expect(all.kept.failure).toBe(undefined);
    expect(all.kept.all.map(({ sequence }) => sequence)).toEqual([2]);
  });

  it('that were removed by hand are not there any more', async () => {
    const folder = join(scratch, 'removed');
    const { results: all, fake } = results(3, folder);
    fake.judge('ng');
    await all.kept.settled();
    for (const name of readdirSync(folder)) rmSync(join(folder, name));
    expect(await all.kept.jpeg(all.kept.all[0]!.key)).toBe(undefined);
    expect(all.kept.all).toEqual([]);
  });
});

describe('history', () => {
  const none = new UsageMeter(() => undefined);

  it('has ten minutes', () => {
    const fake = new FakeBridge();
    const history = new History(none, none);
    fake.stats$.subscribe((stats) => history.stats(stats));
    for (let n = 0; n < SPAN_MS / 1_000 + 20; n++) fake.stats();
    const { timeMs, series } = history.columns();
    expect(timeMs).toHaveLength(600);
    expect(series['framesPerSecond']).toEqual(timeMs.map(() => 30));
    expect(series['bridgeCpu']).toEqual(timeMs.map(() => null));
  });

  it('counts what is of each second, also for reasons that come later', () => {
    const fake = new FakeBridge();
    const history = new History(none, none);
    fake.stats$.subscribe((stats) => history.stats(stats));
    fake.outcomes$.subscribe((outcome) => history.outcome(outcome));
    fake.stats();
    history.frame({ capturedAtMs: 900, timestampMs: 930 } as Frame);
    history.frame({ timestampMs: 950 } as Frame);
    fake.judge('ok');
    fake.judge('ng', { latency: { queueMs: 10, transferMs: 20, computeMs: 30 } });
    fake.stats({ algorithm: {}, droppedByReason: { stale: 3 }, link: { resyncs: 2 } });
    fake.stats({ algorithm: {}, droppedByReason: { stale: 4 }, link: { resyncs: 1 } });
    const { series } = history.columns();
    expect(series['dropped.stale']).toEqual([0, 3, 1]);
    // Another connection counts from 0 again.
    expect(series['resyncs']).toEqual([0, 2, 1]);
    expect(series['ok']).toEqual([null, 1, 0]);
    expect(series['ng']).toEqual([null, 1, 0]);
    expect(series['deliveredP50Ms']).toEqual([null, 30, null]);
    expect(series['resultP50Ms']).toEqual([null, 5, null]);
    expect(series['resultP99Ms']).toEqual([null, 60, null]);
  });
});

describe('processes', () => {
  it('are measured between two looks', () => {
    let seconds = 1;
    const meter = new UsageMeter(() => ({ seconds, memoryBytes: 5 }));
    expect(meter.take()).toEqual({ cpu: null, memoryBytes: 5 });
    seconds = 1.001;
    expect(meter.take()!.cpu).toBeGreaterThan(0);
    // It has started again.
    seconds = 0;
    expect(meter.take()!.cpu).toBe(null);
  });

  it.runIf(process.platform === 'linux')(
    'of others are found by their ids; those that are gone are left out',
    () => {
      const { memoryBytes } = usageOf(() => [process.pid, 2 ** 30]).take()!;
      expect(memoryBytes).toBeGreaterThan(10_000_000);
      expect(usageOf(() => [2 ** 30]).take()).toBe(undefined);
      expect(usageOf(() => []).take()).toBe(undefined);
    },
  );
});
