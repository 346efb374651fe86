/** The frame script: found running, sent again when it has ended, told apart from what the one before it left. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import type { BridgeEvent } from '../../../src/bridge/events.js';
import { FrameScript } from '../../../src/bridge/frame-script.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import { type Camera, connectCamera } from '../../../src/camera/camera.js';
import { type BridgeInput, bridgeOptionsSchema } from '../../../src/options/index.js';

const scratch = mkdtempSync(join(tmpdir(), 'openmv-frame-script-'));
const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const BUNDLED = readFileSync(
  fileURLToPath(new URL('../../../firmware/frame_channel.py', import.meta.url)),
  'utf8',
);

function file(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

const SILENT = file('silent.py', 'import time\nwhile True: time.sleep_ms(10)\n');
const SMALL = file('small.py', BUNDLED.replace('csi.QVGA ', 'csi.QQVGA '));
const BROKEN = file('broken.py', 'import nosuch\n');
const ENDING = file('ending.py', 'import time\ntime.sleep_ms(300)\nprint("that was all")\n');

/** A camera whose main.py is the bundled script. */
async function connect(): Promise<Camera> {
  const camera = await connectCamera({ port: 'virtual' });
  open.push(() => camera.close());
  await expect.poll(() => frameIds(camera)).toHaveLength(1);
  return camera;
}

async function frameIds(camera: Camera): Promise<number[]> {
  camera.forgetChannels();
  return (await camera.channels()).filter(({ name }) => name === 'frame').map(({ id }) => id);
}

const never = new AbortController().signal;

function frameScript(input: BridgeInput): FrameScript {
  return new FrameScript(bridgeOptionsSchema.parse({ port: 'virtual', ...input }), () => undefined);
}

const prepare = (camera: Camera, input: BridgeInput): Promise<unknown> =>
  frameScript(input).prepare(camera, never);

async function bridgeWith(input: BridgeInput) {
  const bridge = await openBridge({ port: 'virtual', shm: false, ...input });
  open.push(() => bridge.close());
  const events: BridgeEvent[] = [];
  const widths: number[] = [];
  bridge.events$.subscribe((event) => events.push(event));
  bridge.frames$.subscribe(({ width }) => widths.push(width));
  return { bridge, events, widths };
}

describe('a script that was stopped and left its channels', () => {
  it.each([
    ['at the start', false],
    ['later', true],
  ])('is sent again %s', async (_, later) => {
    const camera = await connect();
    const script = frameScript({});
    if (later) await script.prepare(camera, never);
    await camera.stop();
    const [left] = await frameIds(camera);
    expect(left).toBeDefined();
    await script.prepare(camera, never);
    expect(await camera.running()).toBe(true);
    expect((await frameIds(camera)).at(-1)).toBeGreaterThan(left!);
  });

  it('is told of when none may be sent', async () => {
    const camera = await connect();
    await camera.stop();
    await expect(prepare(camera, { script: false })).rejects.toMatchObject({
      code: 'CHANNEL_MISSING',
      message: expect.stringMatching(/^No script runs on the camera/),
    });
    expect(await camera.running()).toBe(false);
  });

  it('is sent again while a bridge pulls frames, and frames go on', async () => {
    const { bridge, events, widths } = await bridgeWith({});
    await expect.poll(() => widths.length).toBeGreaterThan(2);
    await bridge.camera.stop();
    await expect
      .poll(() => events, { timeout: 20_000 })
      .toContainEqual(
        expect.objectContaining({
          type: 'error',
          error: expect.objectContaining({
            code: 'CHANNEL_MISSING',
            message: expect.stringContaining('No script runs'),
          }),
        }),
      );
    const before = widths.length;
    await expect.poll(() => widths.length, { timeout: 20_000 }).toBeGreaterThan(before + 3);
  });
});

describe('a script that runs', () => {
  it('is left alone', async () => {
    const camera = await connect();
    const ids = await frameIds(camera);
    await prepare(camera, {});
    await prepare(camera, { script: false });
    expect(await frameIds(camera)).toEqual(ids);
    expect(camera.restarts).toBe(0);
  });
});

describe('the wanted script', () => {
  it('that registers no channel has failed, whatever channels are left', async () => {
    const camera = await connect();
    await expect(prepare(camera, { script: SILENT })).rejects.toMatchObject({
      code: 'SCRIPT_FAILED',
      message: expect.stringMatching(/silent\.py registered no channel `frame`/),
    });
  });

  it.each([true, false])(
    'that fails is told of with its traceback alone (a main.py before it: %s)',
    async (main) => {
      const events: BridgeEvent[] = [];
      const opening = openBridge({
        port: 'virtual',
        shm: false,
        script: BROKEN,
        virtual: main ? {} : { script: null },
      });
      opening.then(
        (bridge) => {
          open.push(() => bridge.close());
          bridge.events$.subscribe((event) => events.push(event));
        },
        () => undefined,
      );
      await expect(opening).rejects.toMatchObject({
        code: 'SCRIPT_FAILED',
        context: {
          output: expect.stringMatching(
            /^Traceback \(most recent call last\):\n.*\nImportError: no module named 'nosuch'$/,
          ),
        },
      });
      expect(events).toEqual([]);
    },
  );

  it('that ends by itself has failed, with what it printed', async () => {
    const camera = await connect();
    await expect(prepare(camera, { script: ENDING })).rejects.toMatchObject({
      code: 'SCRIPT_FAILED',
      context: { output: 'that was all' },
    });
  });

  it('is the one that frames come from, from the first on', async () => {
    const { events, widths } = await bridgeWith({ script: SMALL });
    await expect.poll(() => widths.length).toBeGreaterThan(3);
    expect(widths).toEqual(widths.map(() => 160));
    expect(events.filter(({ type }) => type === 'dropped' || type === 'error')).toEqual([]);
  });

  it('takes the place of another one that was sent', async () => {
    const camera = await connect();
    await prepare(camera, { script: SMALL });
    await prepare(camera, { script: SMALL });
    expect(await frameIds(camera)).toHaveLength(1);
    expect(await camera.running()).toBe(true);
  });
});
