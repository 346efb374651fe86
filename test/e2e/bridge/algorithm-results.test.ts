/** `results$` of the library: the frame's identity, times, workers, raw data. */
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import type { FrameResult } from '../../../src/bridge/events.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import type { Frame } from '../../../src/frames/frame.js';
import type { BridgeInput } from '../../../src/options/index.js';
import { needsOf } from '../../support/needs.js';

const PACED = fileURLToPath(new URL('../program/adapters/paced.mjs', import.meta.url));
const SDK = fileURLToPath(new URL('../runner/fixtures/sdk_adapter.py', import.meta.url));
const opened: Bridge[] = [];

async function collect(
  options: BridgeInput,
): Promise<{ frames: Frame[]; results: FrameResult[]; bridge: Bridge }> {
  const bridge = await openBridge({ port: 'virtual', shm: false, delivery: 'every', ...options });
  opened.push(bridge);
  const frames: Frame[] = [];
  const results: FrameResult[] = [];
  bridge.frames$.subscribe((frame) => frames.push(frame));
  bridge.results$.subscribe((result) => results.push(result));
  await bridge.done;
  return { frames, results, bridge };
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((bridge) => bridge.close()));
});

describe('results$', () => {
  it('tells which frame a verdict is about, how long it took and what the algorithm said', async () => {
    const { frames, results } = await collect({
      frames: 12,
      workers: 3,
      runner: [process.execPath, PACED, '80', 'odd-ng'],
    });
    expect(results).toHaveLength(12);
    for (const [index, result] of results.entries()) {
      const { cameraId, sequence, timestampMs, sharedMemId } = frames[index]!;
      expect(result).toMatchObject({
        cameraId,
        sequence,
        timestampMs,
        imageId: sharedMemId,
        outcome: sequence % 2 === 1 ? 'ng' : 'ok',
        flags: [],
      });
      expect(Object.keys(result.latency).sort()).toEqual(['computeMs', 'queueMs', 'transferMs']);
      expect(result.data!['debug']).toMatchObject({ call: { guide_image_shm_id: sharedMemId } });
    }
  });

  it.each([
    [['python3', SDK, '0.3', 'raise'], 'ALGORITHM_FAILED', { code: '1009', name: 'execute_exception' }],
    [['python3', SDK, '0.3', 'nan'], 'RUNNER_PROTOCOL', undefined],
    [['python3', SDK, '0.3', 'exit'], 'RUNNER_EXITED', undefined],
  ])('a call that came to nothing has a code and no verdict: %j', async (runner, code, algorithmCode) => {
    needsOf(runner);
    const { frames, results } = await collect({ frames: 2, runner });
    expect(results.map(({ sequence }) => sequence)).toEqual(frames.map(({ sequence }) => sequence));
    for (const result of results) {
      if (result.outcome !== 'failed') throw new Error(`a verdict: ${result.resultStatus}`);
      expect(result.code).toBe(code);
      expect(result.algorithmCode).toEqual(algorithmCode);
      expect(result).not.toHaveProperty('resultStatus');
    }
  });

  it('a call that takes too long fails, and the next frame gets its verdict', async () => {
    const { results, bridge } = await collect({
      frames: 3,
      // Far more than the other calls take, also on a busy machine.
      callTimeoutMs: 3_000,
      runner: [process.execPath, PACED, '100000'],
    });
    // Frame 1 is a slow one, 2 and 3 are not.
    expect(results.map((result) => result.outcome)).toEqual(['failed', 'ok', 'ok']);
    expect(results[0]).toMatchObject({ code: 'RUNNER_TIMEOUT', sequence: 1 });
    // With the delivery `every` a call is made once more, to the next adapter.
    expect(bridge.stats().algorithm).toMatchObject({ timeouts: 2, crashes: 2, failed: 1, ok: 2 });
  });

  it('a verdict about a picture that went away is none', async () => {
    const { results } = await collect({ frames: 4, runner: [process.execPath, PACED, '1', 'unlink'] });
    expect(results.map((result) => result.outcome)).toEqual(['failed', 'ok', 'failed', 'ok']);
    expect(results[0]).toMatchObject({ code: 'SHM_FAILED', data: { result_status: 'OK' } });
  });

  it('an image file that cannot be written is a failed outcome, told once', async () => {
    const { rmSync, writeFileSync } = await import('node:fs');
    const { mkdtemp } = await import('node:fs/promises');
    const { tmpdir } = await import('node:os');
    const imageDir = await mkdtemp(`${tmpdir()}/openmv-images-`);
    const bridge = await openBridge({
      port: 'virtual',
      shm: false,
      delivery: 'every',
      frames: 8,
      imageDir,
      runner: [process.execPath, PACED, '1'],
    });
    opened.push(bridge);
    const outcomes: [number, string][] = [];
    const errors: string[] = [];
    bridge.outcomes$.subscribe(({ frame, outcome }) => outcomes.push([frame.sequence, outcome]));
    bridge.events$.subscribe((event) => {
      if (event.type === 'error') errors.push(event.error.code);
    });
    bridge.frames$.subscribe((frame) => {
      if (frame.sequence !== 4) return;
      rmSync(imageDir, { recursive: true });
      // In its place is something that no directory can be made of.
      writeFileSync(imageDir, '');
    });
    await bridge.done;
    rmSync(imageDir);
    expect(outcomes.map(([sequence]) => sequence).sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(outcomes.filter(([sequence, outcome]) => sequence > 4 && outcome !== 'failed')).toEqual([]);
    expect(bridge.stats().algorithm).toMatchObject({ pending: 0 });
    expect(errors).toEqual(['FILE_FAILED']);
  });
});
