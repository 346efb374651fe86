import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type Camera, connectCamera } from '../../../src/camera/camera.js';
import { temperatureShift } from '../../../src/camera/controls-values.js';
import { atEnd, scriptWith } from '../control/support.js';

async function camera(virtual: Record<string, unknown> = {}): Promise<Camera> {
  const made = await connectCamera({ port: 'virtual', virtual: { fps: 100, ...virtual } });
  atEnd(() => made.close());
  await expect
    .poll(async () => {
      made.forgetChannels();
      return (await made.channels()).map(({ name }) => name);
    })
    .toContain('control');
  return made;
}

/** A sensor whose automatic white balance stands elsewhere. */
const UNSETTLED = `
import csi as _csi, sys
class _Sensor:
    def __init__(self):
        self._csi = _csi.CSI()
        self._auto = True
    def __getattr__(self, name):
        return getattr(self._csi, name)
    def auto_whitebal(self, auto, **options):
        self._auto = auto
        self._csi.auto_whitebal(auto, **options)
    def rgb_gain_db(self):
        return (1, 2, 3) if self._auto else self._csi.rgb_gain_db()
class _Module: pass
_fake = _Module()
for _name in dir(_csi):
    setattr(_fake, _name, getattr(_csi, _name))
_fake.CSI = _Sensor
sys.modules["csi"] = _fake
`;

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** What the script answers to bytes that no host of ours would write. */
async function answerTo(made: Camera, request: string): Promise<unknown> {
  const channel = made.channel('control');
  const before = Buffer.from(await channel.read()).toString();
  await channel.write(text(request));
  let answer: unknown;
  await expect
    .poll(async () => {
      const now = Buffer.from(await channel.read()).toString();
      try {
        // Between the question for its size and the reading it may have become another one.
        answer = now === before ? undefined : JSON.parse(now);
      } catch {
        answer = undefined;
      }
      return answer;
    })
    .toBeDefined();
  return answer;
}

describe('camera.controls', () => {
  it('sets and gets every setting in its own units', async () => {
    const { controls } = await camera();
    await controls.set({
      pixformat: 'grayscale',
      framesize: 'QQVGA',
      quality: 60,
      framerate: 25,
      exposure: 5_000,
      gain: 12.5,
      whiteBalance: [1, 2, 3],
      brightness: 2,
      contrast: -2,
      saturation: 1,
      sharpness: -1,
      gamma: 1.5,
      effect: 'negative',
      mirror: true,
      flip: true,
      ehdr: { enable: true, exposureMin: 2, exposureMax: 3, ratioMin: 4, ratioMax: 100 },
    });
    expect(await controls.get()).toEqual({
      pixformat: 'grayscale',
      width: 160,
      height: 120,
      quality: 60,
      framerate: 25,
      exposure: { auto: false, us: 5_000 },
      gain: { auto: false, db: 12.5 },
      whiteBalance: { auto: false, rgbDb: [1, 2, 3] },
      brightness: 2,
      contrast: -2,
      saturation: 1,
      sharpness: -1,
      gamma: 1.5,
      effect: 'negative',
      mirror: true,
      flip: true,
      ehdr: { enable: true, exposureMin: 2, exposureMax: 3, ratioMin: 4, ratioMax: 100 },
    });
    await controls.set({
      exposure: 'auto',
      gain: 'auto',
      whiteBalance: 'auto',
      framesize: { width: 100, height: 80 },
    });
    expect(await controls.get()).toMatchObject({
      exposure: { auto: true },
      gain: { auto: true },
      whiteBalance: { auto: true },
      width: 100,
      height: 80,
    });
  });

  it.each([
    [{ brightness: 5 }, 'brightness'],
    [{ quality: 0 }, 'quality'],
    [{ framesize: 'HUGE' }, 'framesize'],
    [{ exposure: 0 }, 'exposure'],
    [{ gain: Number.NaN }, 'gain'],
    [{ ehdr: { ratioMin: 129 } }, 'ehdr.ratioMin'],
    [{ shutter: 1 }, 'shutter'],
  ])('refuses %j and names what is wrong', async (settings, name) => {
    const { controls } = await camera();
    await expect(controls.set(settings as object)).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining(name),
    });
  });

  it("gives the sensor's own error and applies what it takes", async () => {
    const { controls } = await camera();
    await expect(
      controls.set({ brightness: 1, contrast: 4, ehdr: { exposureMin: 4, exposureMax: 1 } }),
    ).rejects.toMatchObject({
      code: 'CAMERA_REFUSED',
      context: { errors: { contrast: 'the sensor refused 4', ehdr: 'exposure_min is above exposure_max' } },
    });
    await expect(
      controls.set({ pixformat: 'bayer', framesize: { width: 5_000, height: 5_000 } }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('Sensor control failed.'),
    });
    expect(await controls.get()).toMatchObject({
      brightness: 1,
      contrast: null,
      pixformat: 'rgb565',
      width: 320,
    });
  });

  it('answers requests made at once, each with its own reply', async () => {
    const { controls } = await camera();
    const [, first, , second] = await Promise.all([
      controls.set({ gain: 1 }),
      controls.get(),
      controls.set({ gain: 2 }),
      controls.get(),
    ]);
    expect([first!.gain.db, second!.gain.db]).toEqual([1, 2]);
  });

  it('repeats what a bad line swallows', async () => {
    const { controls } = await camera({ faults: 'drop=4%,flip=4%,seed=11' });
    for (let level = -3; level <= 3; level++) {
      await controls.set({ saturation: level });
      expect((await controls.get()).saturation).toBe(level);
    }
  });

  it('the script answers what is no request, and refuses what is too long', async () => {
    const made = await camera();
    for (const request of [
      '{"id": 1, "set"\n',
      '[1]\n',
      '7\n',
      '{"id":3,"set":{"shutter":1}}\n',
      '{"id":4,"set":5}\n',
    ]) {
      expect(await answerTo(made, request), request).toMatchObject({ errors: expect.anything() });
    }
    await expect(made.channel('control').write(text('x'.repeat(1_500)))).rejects.toMatchObject({
      code: 'CAMERA_REFUSED',
    });
    await made.controls.set({ brightness: 1 });
    expect((await made.controls.get()).brightness).toBe(1);
  });

  it('does not tear a frame that is being read when its size changes', async () => {
    const made = await camera();
    const channel = made.channel('frame');
    await expect.poll(() => channel.size()).toBeGreaterThan(0);
    const [size, , , number] = await channel.shape();
    const setting = made.controls.set({ framesize: 'VGA' });
    const pieces: Uint8Array[] = [];
    for (let at = 0; at < size!; at += 2_000) {
      pieces.push(await channel.read({ offset: at, length: Math.min(2_000, size! - at) }));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const jpeg = Buffer.concat(pieces);
    expect([jpeg.subarray(0, 2).toString('hex'), jpeg.subarray(-2).toString('hex')]).toEqual([
      'ffd8',
      'ffd9',
    ]);
    await setting;
    // The capture that waited behind it may have been given up for the change.
    await expect.poll(async () => (await channel.shape()).slice(1, 3)).toEqual([640, 480]);
    expect([number! + 1, number! + 2]).toContain((await channel.shape())[3]);
  });

  it('lets go of a picture that no one reads when settings change', async () => {
    const made = await camera();
    const channel = made.channel('frame');
    await expect.poll(() => channel.size()).toBeGreaterThan(0);
    const [, , , number] = await channel.shape();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await made.controls.set({ gain: 3 });
    await expect.poll(async () => (await channel.shape())[3]).toBe(number! + 1);
  });

  it("finds a script's channel that comes after the request, behind one of a script that has ended", async () => {
    const made = await camera();
    await made.stop();
    const slow = scriptWith('import time\ntime.sleep_ms(1200)', 'slow.py');
    await made.exec(readFileSync(slow, 'utf8'));
    await made.controls.set({ sharpness: 2 });
    expect((await made.controls.get()).sharpness).toBe(2);
  });

  it('keeps the gains that a colour temperature became, for a camera that starts again', async () => {
    const first = await camera();
    await first.controls.set({ whiteBalance: { temperature: 2_800 }, gain: 4 });
    const { whiteBalance } = await first.controls.get();
    // This one's automatic white balance has not come to the same end.
    const second = await camera({ script: scriptWith(UNSETTLED, 'unsettled.py') });
    expect((await second.controls.get()).whiteBalance.rgbDb).toEqual([1, 2, 3]);
    second.controls.takeOver(first.controls);
    await second.controls.restore();
    expect(await second.controls.get()).toMatchObject({ whiteBalance, gain: { auto: false, db: 4 } });
    await second.controls.set({ whiteBalance: 'auto' });
    first.controls.takeOver(second.controls);
    await first.controls.restore();
    expect((await first.controls.get()).whiteBalance.auto).toBe(true);
  });
});

describe('colour temperatures', () => {
  it('warm light has its red taken back and its blue raised, cold light the other way', () => {
    expect(temperatureShift(5_000)).toEqual([0, 0, 0]);
    const [red, , blue] = temperatureShift(2_800);
    expect(red).toBeLessThan(-1);
    expect(blue).toBeGreaterThan(2);
    const [coldRed, , coldBlue] = temperatureShift(9_000);
    expect(coldRed).toBeGreaterThan(0.5);
    expect(coldBlue).toBeLessThan(-0.5);
  });
});
