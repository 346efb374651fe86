/** When frames were captured, on the virtual camera, whose clock runs beside this one. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import type { BridgeStats } from '../../../src/bridge/events.js';
import { frameLine, statsLine } from '../../../src/bridge/json-lines.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import type { Frame } from '../../../src/frames/index.js';
import type { BridgeInput } from '../../../src/options/index.js';
import { waitForShm } from '../../../src/shm/index.js';

const PACED = fileURLToPath(new URL('../program/adapters/paced.mjs', import.meta.url));
/** As the vendor's documentation shows it: without a header. */
const PLAIN = fileURLToPath(new URL('../virtual/fixtures/docs_frame_channel.py', import.meta.url));

let bridge: Bridge | undefined;
afterEach(() => bridge?.close());

async function frames(count: number, input: BridgeInput): Promise<Frame[]> {
  bridge = await openBridge({ port: 'virtual', shm: false, ...input });
  const found: Frame[] = [];
  for await (const frame of bridge.frames()) {
    found.push(frame);
    if (found.length === count) break;
  }
  return found;
}

describe.each(['on', 'off'] as const)('acks %s: the time of a capture', (ack) => {
  it('lies before the delivery by at least the compression, and goes forward', async () => {
    const compressMs = 120;
    const from = Date.now();
    const found = await frames(12, { ack, virtual: { compressMs, fps: 'max' } });
    // The first may come without a header, found by asking.
    const timed = found.filter(({ capturedAtMs }) => capturedAtMs !== undefined);
    expect(timed.length).toBeGreaterThanOrEqual(10);
    let last = from - 2_000;
    for (const { capturedAtMs, capturedErrorMs, timestampMs } of timed) {
      expect(capturedErrorMs).toBeGreaterThanOrEqual(0);
      expect(timestampMs - capturedAtMs!).toBeGreaterThan(compressMs - 10 - capturedErrorMs!);
      expect(capturedAtMs).toBeGreaterThan(last);
      last = capturedAtMs! - capturedErrorMs!;
    }
  });
});

it('is in the JSON line of a frame, and missing where it is not known', async () => {
  const [, , , frame] = await frames(4, {});
  const { timestampMs, capturedAtMs, capturedErrorMs } = frameLine(frame!);
  expect(capturedAtMs! - capturedErrorMs!).toBeLessThanOrEqual(timestampMs);
  expect(frameLine({ ...frame!, capturedAtMs: undefined } as Frame)).not.toHaveProperty('capturedAtMs');
});

describe('in stores and files it is the time of the frame', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'openmv-capture-time-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  it.each([
    ['told by the bundled script', undefined],
    ['the arrival with a script that does not tell', PLAIN],
  ])('%s', async (_what, plain) => {
    const base = `openmv_test_${process.pid}_time${plain ? '_plain' : ''}`;
    const names = { shmName: `/${base}_vizn`, ring: `/${base}_ring`, arrays: base };
    const save = join(scratch, base);
    bridge = await openBridge({
      port: 'virtual',
      ...names,
      save,
      ...(plain ? { script: plain } : {}),
      virtual: { compressMs: 100, fps: 'max' },
    });
    const seen = new Map<number, Frame>();
    bridge.frames$.subscribe((frame) => seen.set(frame.sequence, frame));
    const signal = AbortSignal.timeout(60_000);
    const read = new Map<number, number>();
    for (const name of [names.shmName, names.ring, `/${base}_image_shm`]) {
      const reader = await waitForShm(name, { signal });
      let count = 0;
      for await (const { sequence, timestampNs } of reader.frames({ signal })) {
        read.set(sequence, Number(timestampNs) / 1e6);
        if (++count === 5) break;
      }
      await reader.close();
    }
    // A frame is announced when the stores have it.
    await expect.poll(() => seen.has(Math.max(...read.keys())), { timeout: 20_000 }).toBe(true);
    for (const [sequence, time] of read) {
      const { capturedAtMs, capturedErrorMs = 0, timestampMs } = seen.get(sequence)!;
      expect(capturedAtMs === undefined).toBe(plain !== undefined);
      // Doubles of seconds, and of milliseconds, end at a quarter of a microsecond.
      expect(Math.abs(time - (capturedAtMs ?? timestampMs))).toBeLessThan(0.002);
      if (capturedAtMs !== undefined)
        expect(timestampMs - capturedAtMs + capturedErrorMs).toBeGreaterThan(90);
    }
    for (const { takenAtMs, file } of [...seen.values()].filter(({ file }) => file !== null)) {
      expect(Math.abs(statSync(file!).mtimeMs - takenAtMs)).toBeLessThan(0.01);
    }
  });
});

it('stats tell how long frames, and results, take from the capture', async () => {
  const compressMs = 60;
  bridge = await openBridge({
    port: 'virtual',
    shm: false,
    frames: 25,
    delivery: 'every',
    runner: [process.execPath, PACED, '40'],
    virtual: { compressMs, fps: 'max' },
  });
  const seconds: BridgeStats[] = [];
  bridge.stats$.subscribe((stats) => seconds.push(stats));
  expect(bridge.stats().latencyMs).toEqual({ delivered: null, result: null });
  bridge.frames$.subscribe();
  await bridge.done;
  const { delivered, result } = seconds.at(-1)!.latencyMs;
  // On a busy machine the time of a capture is known less exactly.
  expect(delivered!.p50).toBeGreaterThan(compressMs / 4);
  expect(delivered!.p99).toBeGreaterThanOrEqual(delivered!.p50);
  expect(result!.p50).toBeGreaterThanOrEqual(delivered!.p50);
  // Every third call takes 40 ms longer.
  expect(result!.p99).toBeGreaterThan(compressMs / 4 + 35);
  expect(statsLine(seconds.at(-1)!).latencyMs).toEqual({ delivered, result });
});
