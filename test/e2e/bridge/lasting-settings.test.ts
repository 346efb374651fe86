/** Settings made while a bridge runs hold when the camera's script starts again: the camera was unplugged, or its script restarted. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import type { BridgeEvent } from '../../../src/bridge/events.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import type { Frame } from '../../../src/frames/frame.js';
import { plugIn as plugVirtual } from '../../fakes/plugged-camera.js';
import { atEnd, RESTRICTED, scratch, scriptWith, UNCONTROLLED } from '../control/support.js';

/** Plugs a virtual camera in; the answer pulls it out again. */
async function plugIn(path: string, virtual: Record<string, unknown> = {}): Promise<() => Promise<void>> {
  const pull = await plugVirtual(path, virtual);
  atEnd(pull);
  return pull;
}

interface Line {
  readonly bridge: Bridge;
  readonly events: BridgeEvent[];
  /** Frames since the camera last came back. */
  frames: Frame[];
  /** Takes the camera away, and brings one with other options in its place. */
  replug(virtual?: Record<string, unknown>, meanwhile?: () => Promise<void>): Promise<void>;
}

let lines = 0;

async function inspectionLine(virtual: Record<string, unknown> = {}, streaming = true): Promise<Line> {
  const port = join(scratch, `line-${lines++}`);
  let pull = await plugIn(port, virtual);
  const bridge = await openBridge({ port, shm: false, streaming });
  atEnd(() => bridge.close());
  const line: Line = {
    bridge,
    events: [],
    frames: [],
    replug: async (other = virtual, meanwhile = async () => undefined) => {
      const before = line.events.filter(({ type }) => type === 'connected').length;
      await pull();
      await meanwhile();
      pull = await plugIn(port, other);
      await expect
        .poll(() => line.events.filter(({ type }) => type === 'connected').length, { timeout: 20_000 })
        .toBeGreaterThan(before);
    },
  };
  bridge.events$.subscribe((event) => {
    line.events.push(event);
    if (event.type === 'connected') line.frames = [];
  });
  bridge.frames$.subscribe((frame) => line.frames.push(frame));
  await expect.poll(() => line.events.length).toBeGreaterThan(0);
  return line;
}

const errors = ({ events }: Line) => events.flatMap((event) => (event.type === 'error' ? [event.error] : []));

const brightness = async (frame: Frame): Promise<number> =>
  (await sharp(frame.jpeg).greyscale().stats()).channels[0]!.mean;

/** A directory with one white picture. */
async function whiteScene(): Promise<string> {
  const dir = join(scratch, 'white');
  mkdirSync(dir, { recursive: true });
  const picture = sharp({ create: { width: 320, height: 240, channels: 3, background: 'white' } });
  writeFileSync(join(dir, 'white.png'), await picture.png().toBuffer());
  return dir;
}

describe('settings made while the bridge runs', () => {
  it('hold when the camera was unplugged and comes back', async () => {
    const line = await inspectionLine();
    const { bridge } = line;
    await bridge.camera.controls.set({ brightness: 2, contrast: 1, gain: 7, mirror: true });
    await bridge.camera.controls.set({ framesize: 'QQVGA', quality: 61 });
    await bridge.camera.controls.set({ exposure: 4_000, ehdr: { ratioMax: 30 } });
    await bridge.camera.controls.set({ brightness: 1, ehdr: { enable: true } });
    const before = await bridge.camera.controls.get();
    await line.replug();
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(3);
    expect(line.frames.map(({ width }) => width)).toEqual(line.frames.map(() => 160));
    expect(await bridge.camera.controls.get()).toEqual(before);
    await line.replug();
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await bridge.camera.controls.get()).toEqual(before);
    expect(errors(line).filter(({ code }) => code !== 'PORT_NOT_FOUND')).toEqual([]);
  });

  it('are in the first frame that is announced', async () => {
    const line = await inspectionLine({ images: await whiteScene() });
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await brightness(line.frames[0]!)).toBeGreaterThan(200);
    await line.bridge.camera.controls.set({ effect: 'negative' });
    await line.replug();
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await brightness(line.frames[0]!), JSON.stringify(line.events)).toBeLessThan(50);
  });

  it('hold while no frames are pulled', async () => {
    const line = await inspectionLine({}, false);
    await line.bridge.camera.controls.set({ saturation: -2 });
    await line.replug();
    await expect
      .poll(async () => (await line.bridge.camera.controls.get().catch(() => undefined))?.saturation, {
        timeout: 20_000,
      })
      .toBe(-2);
  });

  it('hold when the script was stopped, or another one had its place', async () => {
    const { bridge } = await inspectionLine({}, false);
    await bridge.camera.controls.set({ framesize: 'QQVGA', gamma: 2 });
    // The camera's main.py ends quietly; after one that was sent the interpreter restarts.
    const replacements = [
      () => bridge.stopScript(),
      () => bridge.stopScript(),
      () => bridge.execScript('import time\nwhile True: time.sleep_ms(10)\n'),
    ];
    for (const replace of replacements) {
      await replace();
      const first = firstValueFrom(bridge.frames$);
      await bridge.startStreaming();
      expect((await bridge.camera.controls.get()).gamma).toBe(2);
      expect((await first).width).toBe(160);
      await bridge.stopStreaming();
    }
  });

  it('hold when the interpreter restarts and the frame script is sent again', async () => {
    const line = await inspectionLine({ script: null });
    await line.bridge.camera.controls.set({ framesize: 'QQVGA', sharpness: 2 });
    await line.bridge.camera.stop();
    await expect
      .poll(() => errors(line).map(({ code }) => code), { timeout: 20_000 })
      .toContain('CHANNEL_MISSING');
    line.frames = [];
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(3);
    expect(line.frames.map(({ width }) => width)).toEqual(line.frames.map(() => 160));
    expect((await line.bridge.camera.controls.get()).sharpness).toBe(2);
  });

  it('that were refused at first are not made again', async () => {
    const line = await inspectionLine();
    const { controls } = line.bridge.camera;
    await expect(controls.set({ saturation: 1, contrast: 4, framesize: 'QQVGA' })).rejects.toMatchObject({
      code: 'CAMERA_REFUSED',
    });
    await expect(
      controls.set({ brightness: 1, framesize: { width: 5_000, height: 5_000 } }),
    ).rejects.toMatchObject({
      code: 'CAMERA_REFUSED',
    });
    await line.replug();
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect(await line.bridge.camera.controls.get()).toMatchObject({
      brightness: 1,
      saturation: 1,
      contrast: null,
      pixformat: 'rgb565',
      width: 320,
    });
    expect(errors(line).filter(({ code }) => code === 'CAMERA_REFUSED')).toEqual([]);
  });

  it('that a sensor refuses when it comes back are told, the others hold, and frames flow', async () => {
    const line = await inspectionLine();
    await line.bridge.camera.controls.set({ contrast: 2, quality: 33, framesize: 'HD' });
    await line.replug({ script: scriptWith(RESTRICTED, 'restricted-again.py') });
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(2);
    const [told, ...others] = errors(line).filter(({ code }) => code === 'CAMERA_REFUSED');
    expect(others).toEqual([]);
    expect(told?.message).toMatch(/contrast: the sensor refused 2/);
    expect(told?.message).toMatch(/Frame buffer overflow/);
    expect(told?.context['errors']).toHaveProperty('contrast');
    expect(await line.bridge.camera.controls.get()).toMatchObject({
      quality: 33,
      width: 320,
      contrast: null,
    });
  });

  it('are told to be lost by a script that has no control channel, and frames flow', async () => {
    const line = await inspectionLine();
    await line.bridge.camera.controls.set({ contrast: 2 });
    await line.replug({ script: scriptWith(UNCONTROLLED, 'uncontrolled-again.py') });
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(2);
    expect(errors(line).filter(({ code }) => code === 'CHANNEL_MISSING')).toMatchObject([
      { message: expect.stringMatching(/settings.*not all in force.*no channel `control`/s) },
    ]);
    await line.replug();
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(0);
    expect((await line.bridge.camera.controls.get()).contrast).toBe(2);
  });

  it('cannot be made while the camera is away, which is said', async () => {
    const line = await inspectionLine();
    const { camera } = line.bridge;
    await camera.close();
    await expect(camera.controls.set({ contrast: 1 })).rejects.toMatchObject({
      code: 'PORT_CLOSED',
      message: expect.stringMatching(/not connected/),
    });
  });

  it('and frames are back when streaming is started while the camera is away', async () => {
    const line = await inspectionLine({}, false);
    const { bridge } = line;
    await bridge.camera.controls.set({ framesize: 'QQVGA' });
    await bridge.stopScript();
    await line.replug({}, async () => {
      await expect.poll(() => bridge.camera.connected).toBe(false);
      await expect(bridge.execScript('print(1)')).rejects.toMatchObject({
        message: expect.stringMatching(/not connected/),
      });
      await bridge.startStreaming();
    });
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(3);
    expect(line.frames.map(({ width }) => width)).toEqual(line.frames.map(() => 160));
  });

  it('are not spoken of when there are none', async () => {
    const line = await inspectionLine({ script: scriptWith(UNCONTROLLED, 'uncontrolled-always.py') });
    await line.replug();
    await expect.poll(() => line.frames.length, { timeout: 20_000 }).toBeGreaterThan(2);
    expect(errors(line).filter(({ code }) => code !== 'PORT_NOT_FOUND')).toEqual([]);
  });
});
