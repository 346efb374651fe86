/** When frames were captured, on the virtual camera, whose clock runs beside this one. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import { frameLine } from '../../../src/bridge/json-lines.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import type { Frame } from '../../../src/frames/index.js';
import type { BridgeInput } from '../../../src/options/index.js';

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
