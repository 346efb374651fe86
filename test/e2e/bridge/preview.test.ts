/** Frames from the firmware's preview: any script, unchanged, through a whole bridge. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { BridgeEvent } from '../../../src/bridge/events.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import type { Frame } from '../../../src/frames/index.js';
import type { BridgeInput } from '../../../src/options/index.js';
import { packageFile } from '../../../src/package.js';
import { decodePixels } from '../../../src/pixels.js';
import { openRingReader } from '../../../src/shm/index.js';

const scratch = mkdtempSync(join(tmpdir(), 'openmv-preview-'));
const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

/** As the vendor's first example, in other words. */
const vendorStyle = (format: string, loop = '    img = cam.snapshot()\n', size = 'QVGA'): string =>
  `import csi, time\ncam = csi.CSI()\ncam.reset()\ncam.pixformat(csi.${format})\ncam.framesize(csi.${size})\nclock = time.clock()\nwhile True:\n    clock.tick()\n${loop}`;

const HELLO = file('hello.py', vendorStyle('RGB565'));
/** Its previews are the JPEGs that it makes itself, so the virtual camera's ledger has them. */
const COMPRESSING = file(
  'compressing.py',
  vendorStyle('RGB565', '    cam.snapshot().compress(quality=70)\n'),
);

async function bridgeWith(input: BridgeInput) {
  const bridge = await openBridge({ port: 'virtual', shm: false, ...input });
  open.push(() => bridge.close());
  const events: BridgeEvent[] = [];
  const frames: Frame[] = [];
  bridge.events$.subscribe((event) => events.push(event));
  bridge.frames$.subscribe((frame) => frames.push(frame));
  const kinds = (): string[] => events.flatMap((event) => (event.type === 'source' ? [event.source] : []));
  return { bridge, events, frames, kinds };
}

const more = async (frames: readonly Frame[], count = 3): Promise<void> => {
  const before = frames.length;
  await expect.poll(() => frames.length).toBeGreaterThanOrEqual(before + count);
};

describe('the source preview', () => {
  it('gives frames of a camera out of the box: a script that only takes pictures is sent', async () => {
    const { bridge, frames, kinds } = await bridgeWith({ source: 'preview', virtual: { script: null } });
    await more(frames);
    expect(kinds()).toEqual([]);
    expect(frames.map(({ sequence }) => sequence)).toEqual(frames.map((_, at) => at + 1));
    expect(await sharp(frames[0]!.jpeg).metadata()).toMatchObject({
      format: 'jpeg',
      width: 320,
      height: 240,
    });
    expect(new Set(frames.map(({ crc32 }) => crc32)).size).toBe(frames.length);
    expect(bridge.camera.restarts).toBe(1);
  });

  it('does the same where the bundled script waits for a reader of its channel', async () => {
    const { frames } = await bridgeWith({ source: 'preview' });
    await more(frames);
  });

  it('every frame is byte for byte a JPEG that the script made', async () => {
    const ledger = join(scratch, 'ledger.jsonl');
    const { bridge, frames } = await bridgeWith({
      source: 'preview',
      virtual: { script: COMPRESSING, ledger, fps: 60 },
    });
    await more(frames, 20);
    await bridge.close();
    const made = new Set(
      readFileSync(ledger, 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => (JSON.parse(line) as { crc32: string }).crc32),
    );
    expect(frames.filter(({ crc32 }) => !made.has(crc32))).toEqual([]);
  });

  it.each([
    ['RGB565', 3, 8],
    ['GRAYSCALE', 1, 1],
  ])(
    '%s as pixels: stores that want pixels get them as the camera sent them',
    async (format, components, steps) => {
      const { frames } = await bridgeWith({
        source: 'preview',
        previewRaw: '160x120',
        virtual: { script: file(`${format}.py`, vendorStyle(format)) },
      });
      await more(frames, 1);
      const { jpeg, width, height } = frames.at(-1)!;
      expect([width, height]).toEqual([160, 120]);
      expect(await sharp(jpeg).metadata()).toMatchObject({ channels: components });
      // What five bits can say, and no JPEG would leave alone.
      const { data } = await decodePixels(jpeg, 'NATIVE');
      const exact = data.every(
        (value, at) => steps === 1 || at % 3 === 1 || value === (value & 0xf8) + (value >> 5),
      );
      expect(exact).toBe(true);
    },
  );

  it.each(['BAYER', 'YUV422'])(
    '%s comes as a JPEG, whatever was asked for: the firmware compresses it',
    async (format) => {
      const { frames } = await bridgeWith({
        source: 'preview',
        previewRaw: '640x480',
        script: file(`${format}.py`, vendorStyle(format)),
      });
      await more(frames, 1);
      expect(frames[0]).toMatchObject({ width: 320, height: 240 });
    },
  );

  it('fills every store, and an algorithm sees its frames', async () => {
    const names = {
      shmName: `/openmv_test_preview_${process.pid}`,
      ring: `/openmv_test_pring_${process.pid}`,
    };
    const save = join(scratch, 'saved');
    const { bridge, frames } = await bridgeWith({
      ...{ source: 'preview', script: HELLO, shm: true, ...names, shmFormat: 'rgb3', save },
      arrays: `openmv_test_parr_${process.pid}`,
      runner: [process.execPath, packageFile('tools/algorithms/example_algorithm.mjs')],
      frames: 12,
    });
    const reader = await openRingReader(names.ring);
    open.push(() => reader.close());
    await bridge.done;
    const { sinks, algorithm } = bridge.stats();
    const { ok = 0, ng = 0, failed = 0, skipped = 0 } = algorithm ?? {};
    expect([ok + ng > 0, failed, ok + ng + skipped]).toEqual([true, 0, 12]);
    expect(sinks.ring?.written).toBe(12);
    // A busy machine may skip some of those that are decoded, and not the first.
    expect(sinks.segment?.written).toBeGreaterThan(0);
    expect(sinks.arrays?.written).toBeGreaterThan(0);
    const saved = readdirSync(save).sort();
    expect(saved).toHaveLength(12);
    expect(Buffer.compare(readFileSync(join(save, saved[0]!)), frames[0]!.jpeg)).toBe(0);
  });

  it('a script that fails is told of with its traceback', async () => {
    const opening = openBridge({
      ...{ port: 'virtual', shm: false, source: 'preview' },
      script: file('broken.py', 'import nosuch\n'),
    });
    await expect(opening).rejects.toMatchObject({
      code: 'SCRIPT_FAILED',
      message: expect.stringMatching(/broken\.py has ended[\s\S]*ImportError/),
    });
  });

  it('goes on with another script that a caller runs, and sends its own again after a stop', async () => {
    const { bridge, frames } = await bridgeWith({ source: 'preview', script: HELLO });
    await more(frames);
    await bridge.stopStreaming();
    await bridge.execScript(vendorStyle('GRAYSCALE', undefined, 'QQVGA'));
    await bridge.startStreaming();
    await more(frames);
    expect(frames.at(-1)).toMatchObject({ width: 160, height: 120 });
    await bridge.stopStreaming();
    await bridge.stopScript();
    await bridge.startStreaming();
    await more(frames);
    expect(frames.at(-1)).toMatchObject({ width: 320, height: 240 });
  });

  it('a script that ends while frames come is told of, and sent again', async () => {
    const ending = file('ending.py', vendorStyle('RGB565').replace('while True', 'for _ in range(40)'));
    const { events, frames } = await bridgeWith({ source: 'preview', script: ending });
    await more(frames);
    await expect
      .poll(() => events)
      .toContainEqual(
        expect.objectContaining({ error: expect.objectContaining({ code: 'CHANNEL_MISSING' }) }),
      );
    await more(frames);
  });
});

describe('without a source', () => {
  it('a script of the user without a frame channel gives previews, and that is said once', async () => {
    const { bridge, frames, kinds } = await bridgeWith({ script: HELLO });
    await more(frames);
    await bridge.stopStreaming();
    await bridge.startStreaming();
    await more(frames);
    expect(kinds()).toEqual(['preview']);
  });

  it('so does a script that runs, where none may be sent', async () => {
    const { frames, kinds } = await bridgeWith({ script: false, virtual: { script: HELLO } });
    await more(frames);
    expect(kinds()).toEqual(['preview']);
  });

  it('when it registers a channel later, frames come from there', async () => {
    const bundled = readFileSync(new URL('../../../firmware/frame_channel.py', import.meta.url), 'utf8');
    const late = file(
      'late.py',
      `import csi\ncam = csi.CSI()\ncam.reset()\ncam.pixformat(csi.RGB565)\ncam.framesize(csi.QQVGA)\ncam.snapshot(time=12000)\n${bundled}`,
    );
    const { frames, kinds } = await bridgeWith({ script: late });
    await expect.poll(kinds, { timeout: 50_000 }).toEqual(['preview', 'frame']);
    await more(frames);
    expect(frames.at(-1)!.width).toBe(320);
    expect(frames.at(-1)!.captureNumber).toBeGreaterThan(0);
  });
});
