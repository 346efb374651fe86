/** What a camera's script attaches to a picture reaches subscribers and algorithms with exactly that picture. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import type { BridgeEvent, FrameResult } from '../../../src/bridge/events.js';
import { frameLine } from '../../../src/bridge/json-lines.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import type { Frame } from '../../../src/frames/index.js';
import type { BridgeInput } from '../../../src/options/index.js';
import { packageFile } from '../../../src/package.js';
import { cameraOnCable } from '../../support/cable.js';

const PACED = fileURLToPath(new URL('../program/adapters/paced.mjs', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'openmv-frame-data-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function script(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

/** Numbers the pictures that it was shown, with data of all lengths. */
const NUMBERING = script(
  'numbering.py',
  `from frame_channel import frame, run
count = 0

def look(image):
    global count
    count += 1
    frame.tag({"count": count, "size": [image.width(), image.height()], "pad": "x" * (count * 37 % 900)})

run(look)
`,
);

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function bridgeOf(input: BridgeInput) {
  const bridge: Bridge = await openBridge({ shm: false, script: NUMBERING, ...input });
  open.push(bridge);
  const frames: Frame[] = [];
  const results: FrameResult[] = [];
  const events: BridgeEvent[] = [];
  bridge.events$.subscribe((event) => events.push(event));
  bridge.results$.subscribe((result) => results.push(result));
  bridge.frames$.subscribe((frame) => frames.push(frame));
  return { bridge, frames, results, events };
}

const countOf = ({ data }: Frame): number => (data as { count: number }).count;

describe('frame.data', () => {
  it.each([
    ['a good line', '', 0],
    ['dropped and damaged packets', 'drop=1%,flip=1%,seed=3', 0],
    ['a cable that is pulled', 'drop=0.5%,seed=4', 400],
  ] as const)('belongs to exactly its frame: %s', async (_what, faults, everyMs) => {
    const captures: string[] = [];
    // No script at power-on: every capture is of the script with the data.
    const plugged = await cameraOnCable({
      fps: 'max',
      script: null,
      ...(faults ? { faults } : {}),
      onCapture: ({ crc32 }) => captures.push(crc32),
    });
    open.push(plugged);
    const { bridge, frames } = await bridgeOf({ port: plugged.link, frames: 120 });
    await plugged.cable.pullEvery(everyMs, bridge.done);
    expect(frames).toHaveLength(120);
    for (const frame of frames) {
      expect(frame.data).toMatchObject({ size: [frame.width, frame.height] });
      expect(captures.indexOf(frame.crc32) + 1).toBe(countOf(frame));
      expect(frameLine(frame).data).toEqual(frame.data);
    }
    expect(bridge.stats().damagedData).toBe(0);
  });

  it('goes with a frame that a change of settings leaves, and not with the pictures that it skips', async () => {
    const { bridge, frames } = await bridgeOf({ port: 'virtual' });
    await expect.poll(() => frames.length, { timeout: 20_000 }).toBeGreaterThan(3);
    await bridge.camera.controls.set({ framesize: 'QQVGA' });
    await expect.poll(() => frames.at(-1)!.width, { timeout: 20_000 }).toBe(160);
    for (const frame of frames) expect(frame.data).toMatchObject({ size: [frame.width, frame.height] });
  });

  it('is in the image_meta of its call', async () => {
    const { bridge, frames, results } = await bridgeOf({
      port: 'virtual',
      frames: 5,
      delivery: 'every',
      runner: [process.execPath, PACED, '1'],
    });
    await bridge.done;
    expect(results).toHaveLength(5);
    for (const result of results) {
      const frame = frames[result.sequence - 1]!;
      const { call } = result.data!['debug'] as { call: Record<string, unknown> };
      expect(call['guide_image_meta']).toMatchObject({
        data: frame.data,
        timestamp_ms: Math.round(frame.capturedAtMs!),
      });
    }
  });

  it('that is no JSON is told, counted, and costs no frame', async () => {
    const text =
      'from frame_channel import frame, run\n\ndef look(image):\n    frame.data = b"{nan"\n\nrun(look)\n';
    const { bridge, frames, events } = await bridgeOf({
      port: 'virtual',
      frames: 10,
      script: script('damaged.py', text),
    });
    await bridge.done;
    expect(frames.map(({ data }) => data)).toEqual(Array(10).fill(undefined));
    const errors = events.flatMap((event) => (event.type === 'error' ? [event.error.code] : []));
    expect(errors).toEqual(['FRAME_DATA_INVALID']);
    expect(bridge.stats()).toMatchObject({ damagedData: 10, delivered: 10 });
  });
});

describe('firmware/examples/blobs.py', () => {
  it('attaches to each frame where its brass parts are', async () => {
    const { bridge, frames } = await bridgeOf({
      port: 'virtual',
      frames: 8,
      script: packageFile('firmware/examples/blobs.py'),
    });
    await bridge.done;
    const places = new Set<number>();
    for (const frame of frames) {
      const { data, info } = await sharp(frame.jpeg).raw().toBuffer({ resolveWithObject: true });
      const isBrass = (x: number, y: number): boolean => {
        const [red, green, blue] = data.subarray(3 * (y * info.width + x)) as unknown as [
          number,
          number,
          number,
        ];
        return red > 100 && red > green && red - blue > 50;
      };
      const { blobs } = frame.data as { blobs: { rect: [number, number, number, number] }[] };
      expect(blobs.length).toBeGreaterThan(0);
      // Parts are 64 apart and move by 8 from frame to frame: those of another frame are elsewhere.
      for (const { rect } of blobs) {
        const [x, y, w, h] = rect;
        if (x < 6 || x + w > info.width - 6) continue;
        const middle = y + Math.floor(h / 2);
        expect(isBrass(x + 3, middle) && isBrass(x + w - 4, middle)).toBe(true);
        expect(isBrass(x - 4, middle) || isBrass(x + w + 3, middle)).toBe(false);
        places.add(x);
      }
    }
    expect(places.size).toBeGreaterThan(4);
  });
});
