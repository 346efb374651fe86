import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { ChannelId } from '../../../src/protocol/constants.js';
import { type TestHost, until } from './host.js';
import { blank } from './setup.js';

/** A script that sets the sensor as told and serves the result of `make` for each frame, numbered by its first capture. */
const serve = (settings: string, make = 'img.compress(quality=85); data = img.bytearray()'): string => `
import csi, protocol, time
c = csi.CSI()
c.reset()
c.pixformat(csi.RGB565)
c.framesize(csi.QVGA)
c.framebuffers(1)
${settings}
img = c.snapshot()
${make}
class Frame:
    def size(self): return len(data)
    def shape(self): return (img.width(), img.height(), img.format(), img.size())
    def readp(self, offset, size): return memoryview(data)[offset:offset + size]
protocol.register(name='picture', backend=Frame())
while True: time.sleep_ms(50)
`;

/** First picture of the loop with these settings. */
async function picture(
  settings: string,
  make?: string,
): Promise<{ bytes: Uint8Array; shape: number[]; guest: TestHost }> {
  const { host: guest } = await blank({ fps: 'max' });
  await guest.exec(serve(settings, make));
  const channel = await guest.channel('picture');
  return {
    bytes: await guest.read(channel, 0, await guest.size(channel)),
    shape: await guest.shape(channel),
    guest,
  };
}

const jpeg = async (settings: string): Promise<Uint8Array> => (await picture(settings)).bytes;

async function means(bytes: Uint8Array): Promise<number[]> {
  return (await sharp(bytes).stats()).channels.map(({ mean }) => mean);
}

const spread = async (bytes: Uint8Array): Promise<number> =>
  (await sharp(bytes).greyscale().stats()).channels[0]!.stdev;

/** Mean difference of two pictures' pixels, 0 to 255. */
async function difference(first: Uint8Array, second: Uint8Array): Promise<number> {
  const [a, b] = await Promise.all([first, second].map((bytes) => sharp(bytes).raw().toBuffer()));
  return a!.reduce((sum, value, at) => sum + Math.abs(value - b![at]!), 0) / a!.length;
}

describe('settings of the virtual sensor', () => {
  it('size: each constant has its true dimensions', async () => {
    const { host: guest } = await blank();
    await guest.exec(
      [
        'import csi',
        'c = csi.CSI()',
        'c.reset()',
        'c.pixformat(csi.GRAYSCALE)',
        "for name in ('QQQVGA', 'QQVGA', 'QVGA', 'VGA', 'HQVGA', 'CIF', 'SVGA', 'HD', 'FHD', 'WQXGA2'):",
        '    c.framesize(getattr(csi, name))',
        '    print(name, c.width(), c.height())',
        'c.framesize((123, 45))',
        'print(c.width(), c.height(), c.framesize(), csi.QVGA, csi.VGA)',
      ].join('\n'),
    );
    const text = await guest.stdoutUntil('soft reboot');
    expect(text.replaceAll('\r\n', ' ')).toContain(
      'QQQVGA 80 60 QQVGA 160 120 QVGA 320 240 VGA 640 480 HQVGA 240 160 CIF 352 288 SVGA 800 600 HD 1280 720 FHD 1920 1080 WQXGA2 2592 1944 123 45 1 11 12',
    );
  });

  it('size: pictures have it', async () => {
    for (const [size, width, height] of [
      ['csi.QQVGA', 160, 120],
      ['csi.VGA', 640, 480],
      ['(100, 250)', 100, 250],
    ] as const) {
      const { bytes, shape } = await picture(`c.framesize(${size})`);
      expect(await sharp(bytes).metadata()).toMatchObject({ width, height });
      expect(shape.slice(0, 2)).toEqual([width, height]);
    }
  });

  it('quality: a better picture takes more bytes and is nearer to the best', async () => {
    const of = async (quality: number): Promise<Uint8Array> =>
      (await picture('', `img.compress(quality=${quality}); data = img.bytearray()`)).bytes;
    const [poor, good, best] = await Promise.all([of(20), of(85), of(100)]);
    expect(poor!.length).toBeLessThan(good!.length / 2);
    expect(good!.length).toBeLessThan(best!.length);
    expect(await difference(good!, best!)).toBeLessThan(await difference(poor!, best!));
  });

  it('mirror, flip and window: the same picture, turned and cut', async () => {
    const plain = await jpeg('');
    const turned = sharp(plain).flop().flip().jpeg({ quality: 100 });
    const both = await jpeg('c.hmirror(True)\nc.vflip(True)');
    expect(await difference(both, await turned.toBuffer())).toBeLessThan(8);
    const mirrored = await jpeg('c.hmirror(True)');
    expect(
      await difference(mirrored, await sharp(plain).flop().jpeg({ quality: 100 }).toBuffer()),
    ).toBeLessThan(8);
    expect(await difference(mirrored, plain)).toBeGreaterThan(20);
    const cut = await jpeg('c.window((40, 20, 120, 80))');
    const region = sharp(plain).extract({ left: 40, top: 20, width: 120, height: 80 }).jpeg({ quality: 100 });
    expect(await difference(cut, await region.toBuffer())).toBeLessThan(8);
  });

  it('grayscale: JPEGs have one component', async () => {
    const bytes = await jpeg('c.pixformat(csi.GRAYSCALE)');
    expect(await sharp(bytes).metadata()).toMatchObject({ channels: 1, space: 'b-w' });
  });

  it('brightness, contrast, saturation: what they say', async () => {
    const plain = await jpeg('');
    const brightness = async (level: number): Promise<number> =>
      (await means(await jpeg(`print(c.brightness(${level}))`))).reduce((sum, mean) => sum + mean, 0);
    expect(await brightness(2)).toBeGreaterThan(await brightness(0));
    expect(await brightness(-2)).toBeLessThan(await brightness(0));
    expect(await spread(await jpeg('c.contrast(3)'))).toBeGreaterThan(await spread(plain));
    expect(await spread(await jpeg('c.contrast(-3)'))).toBeLessThan(await spread(plain));
    const chroma = async (bytes: Uint8Array): Promise<number> => {
      const pixels = await sharp(bytes).raw().toBuffer();
      let sum = 0;
      for (let at = 0; at < pixels.length; at += 3) {
        const [r = 0, g = 0, b = 0] = pixels.subarray(at, at + 3);
        sum += Math.max(r, g, b) - Math.min(r, g, b);
      }
      return sum;
    };
    expect(await chroma(await jpeg('c.saturation(3)'))).toBeGreaterThan(await chroma(plain));
    expect(await chroma(await jpeg('c.saturation(-3)'))).toBeLessThan(await chroma(plain));
  });

  it('exposure, gain and white balance: manual values show, automatic ones hold the picture', async () => {
    const [plain] = await Promise.all([jpeg('').then(means)]);
    const dark = await means(await jpeg('c.auto_exposure(False, exposure_us=2500)'));
    const light = await means(await jpeg('c.auto_exposure(False, exposure_us=20000)'));
    const gained = await means(await jpeg('c.auto_exposure(False)\nc.auto_gain(False, gain_db=12)'));
    expect(dark[1]!).toBeLessThan(plain![1]! / 2);
    expect(light[1]!).toBeGreaterThan(plain![1]! * 1.2);
    expect(gained[1]!).toBeGreaterThan(plain![1]! * 1.2);
    const red = await means(await jpeg('c.auto_whitebal(False, rgb_gain_db=(9.0, 0.0, 0.0))'));
    expect(red[0]!).toBeGreaterThan(plain![0]! * 1.1);
    expect(red[2]!).toBeLessThan(plain![2]! * 0.8);
    const frozen = await means(
      await jpeg(
        'c.auto_exposure(False, exposure_us=c.exposure_us())\nc.auto_gain(False, gain_db=c.gain_db())\nc.auto_whitebal(False, rgb_gain_db=c.rgb_gain_db())',
      ),
    );
    expect(frozen).toEqual(plain);
  });

  it("the sensor's own JPEGs come straight from snapshot", async () => {
    const { bytes, shape } = await picture(
      'c.pixformat(csi.JPEG)\nc.quality(40)',
      "data = img.bytearray()\nassert len(img) == img.size() == len(data), 'size'",
    );
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'jpeg', width: 320, height: 240 });
    expect(shape).toEqual([320, 240, 0x06060000, bytes.length]);
  });

  it('raw pixels: RGB565 and grayscale', async () => {
    const reference = await sharp(await jpeg(''))
      .raw()
      .toBuffer();
    const { bytes, shape } = await picture('', 'data = img.bytearray()');
    expect(shape).toEqual([320, 240, 0x0c030002, 320 * 240 * 2]);
    expect(bytes.length).toBe(320 * 240 * 2);
    let off = 0;
    for (let pixel = 0; pixel < 320 * 240; pixel++) {
      const value = bytes[2 * pixel]! | (bytes[2 * pixel + 1]! << 8);
      off += Math.abs(((value >> 5) & 0x3f) * 4 - reference[3 * pixel + 1]!);
    }
    expect(off / (320 * 240)).toBeLessThan(10);
    const gray = await picture('c.pixformat(csi.GRAYSCALE)', 'data = img.bytearray()');
    expect(gray.bytes.length).toBe(320 * 240);
    const tone = await sharp(await jpeg('c.pixformat(csi.GRAYSCALE)'))
      .toColourspace('b-w')
      .raw()
      .toBuffer();
    expect(tone.length).toBe(gray.bytes.length);
    expect(
      gray.bytes.reduce((sum, value, at) => sum + Math.abs(value - tone[at]!), 0) / tone.length,
    ).toBeLessThan(6);
  });

  it.each(['RGB565', 'GRAYSCALE'])(
    'what a script changes in the pixels is in its JPEGs: %s',
    async (format) => {
      const bytesAPixel = format === 'RGB565' ? 2 : 1;
      // The upper half black; what was only looked at stays the picture that the sensor took.
      const paint = `
img.bytearray()
before = bytes(img.compressed(quality=85).bytearray())
pixels = img.bytearray()
pixels[:${320 * 120 * bytesAPixel}] = bytes(${320 * 120 * bytesAPixel})
img.compress(quality=85)
data = bytes(img.bytearray()) + before
`;
      const settings = `c.pixformat(csi.${format})`;
      const { bytes, shape } = await picture(settings, paint);
      const painted = bytes.subarray(0, shape[3]!);
      const half = async (top: number): Promise<number> => {
        const part = sharp(painted).extract({ left: 0, top, width: 320, height: 104 }).greyscale();
        const values = await part.raw().toBuffer();
        return values.reduce((sum, value) => sum + value, 0) / values.length;
      };
      expect(await half(0)).toBeLessThan(3);
      expect(await half(136)).toBeGreaterThan(20);
      const plain = await jpeg(settings);
      expect((await sharp(painted).metadata()).channels).toBe((await sharp(plain).metadata()).channels);
      expect(await difference(bytes.subarray(shape[3]!), plain)).toBe(0);
      const lower = { left: 0, top: 136, width: 320, height: 104 };
      const rest = [painted, plain].map((image) =>
        sharp(image).extract(lower).jpeg({ quality: 100 }).toBuffer(),
      );
      const [ours, theirs] = await Promise.all(rest);
      expect(await difference(ours!, theirs!)).toBeLessThan(6);
    },
  );

  it('compressed copies leave the frame as it is', async () => {
    const { bytes, shape } = await picture(
      '',
      'copy = img.compressed(quality=50)\nother = img.to_jpeg(quality=90, copy=True)\ndata = copy.bytearray()\nassert copy.size() < other.size()\n',
    );
    expect(await sharp(bytes).metadata()).toMatchObject({ format: 'jpeg', width: 320 });
    expect(shape[2]).toBe(0x0c030002);
  });

  it('wrong values raise as they do on the camera', async () => {
    const { host: guest } = await blank();
    const attempts = [
      'c.snapshot()',
      'c.framebuffers(1)',
      'c.pixformat()',
      'c.pixformat(12345)',
      'c.pixformat(csi.BINARY)',
      'c.framesize(99)',
      "c.framesize('big')",
      'c.pixformat(csi.RGB565)',
      'c.snapshot()',
      'c.framesize(csi.QQVGA)',
      'c.framebuffers(0)',
      'c.framerate()',
      'c.framerate(-1)',
      'c.window((1, 2, 3))',
      'c.window((500, 500, 10, 10))',
      'c.window((0, 0, 0, 10))',
      'c.quality(101)',
      'c.snapshot().compress(quality=0)',
      'c.snapshot().compress(quality=101)',
      "c.pixformat('x')",
      'csi.CSI(cid=csi.LEPTON)',
      'raise KeyError((c.brightness(4), c.brightness(5), c.contrast(-3), c.contrast(4), c.saturation(-4)))',
      'c.window((10, 10))',
      'c.pixformat(csi.JPEG)',
    ];
    // All of it at once, through a channel: stdout holds only the newest 1023 bytes.
    const script = [
      'import csi, protocol, time',
      'c = csi.CSI()',
      'c.reset()',
      "log = ''",
      `for number, attempt in enumerate(${JSON.stringify(attempts)}):`,
      '    try:',
      '        exec(attempt)',
      '    except Exception as e:',
      "        log += '%d %s %s\\r\\n' % (number, type(e).__name__, e)",
      'class Log:',
      '    def size(self): return len(log)',
      '    def read(self, offset, size): return log[offset:offset + size]',
      "protocol.register(name='log', backend=Log())",
      'time.sleep(1000)',
    ].join('\n');
    await guest.exec(script);
    const channel = await guest.channel('log');
    const text = new TextDecoder().decode(await guest.read(channel, 0, await guest.size(channel)));
    const unset = 'RuntimeError Pixel format is not supported or is not set.';
    const failed = 'RuntimeError Sensor control failed.';
    for (const line of [
      `0 ${unset}`,
      `1 ${unset}`,
      `2 ${unset}`,
      `3 ${failed}`,
      `4 ${failed}`,
      `5 ${failed}`,
      '6 RuntimeError An invalid argument is used.',
      '8 RuntimeError Frame size is not supported or is not set.',
      '10 RuntimeError An invalid argument is used.',
      '11 RuntimeError Frame rate is not supported or is not set.',
      '12 RuntimeError An invalid argument is used.',
      '13 ValueError Expected (w, h) or (x, y, w, h) tuple/list.',
      '14 ValueError ROI does not overlap on the image!',
      '15 ValueError Invalid ROI dimensions!',
      '16 OSError Operation not supported',
      '17 ValueError Quality ranges between 0 and 100',
      '18 ValueError Quality ranges between 0 and 100',
      '20 RuntimeError Failed to detect the image sensor or image sensor is detached.',
      '21 KeyError (True, False, True, False, False)',
      '23 RuntimeError The requested operation is not supported on the current pixel format.',
    ]) {
      expect(text).toContain(`${line}\r\n`);
    }
    expect(text).toContain('19 TypeError');
    expect(text).not.toMatch(/^(?:7|9|22) /m);
  });

  it('rate: the sensor keeps the one it is given', async () => {
    const { host: guest } = await blank();
    await guest.exec(
      [
        'import csi, time',
        'c = csi.CSI()',
        'c.reset()',
        'c.pixformat(csi.GRAYSCALE)',
        'c.framesize(csi.QQVGA)',
        'c.framerate(50)',
        'c.snapshot()',
        'start = time.ticks_ms()',
        'c.snapshot(frames=9)',
        "print('took', time.ticks_diff(time.ticks_ms(), start) >= 195, c.framerate())",
        'c.framerate(1)',
        'c.snapshot()',
        "print('none', c.snapshot(blocking=False))",
      ].join('\n'),
    );
    const text = await guest.stdoutUntil('soft reboot');
    expect(text).toContain('took True 50\r\nnone None\r\n');
  });

  it('preview: the last snapshot as a JPEG behind a header', async () => {
    const { host: guest } = await blank();
    await guest.exec(
      'import csi, time\nc = csi.CSI()\nc.reset()\nc.pixformat(csi.RGB565)\nc.framesize(csi.QVGA)\nwhile True:\n    c.snapshot()\n',
    );
    const { STREAM } = ChannelId;
    expect(await guest.size(STREAM)).toBe(0);
    await guest.ioctl(STREAM, 0, Uint8Array.of(1, 0, 0, 0));
    const previews = (): number => guest.events.filter(({ channel }) => channel === STREAM).length;
    await until('a few previews', () => previews() > 3);
    expect((await guest.request(0x22, STREAM)).kind).toBe('ack');
    const size = await guest.size(STREAM);
    const bytes = await guest.read(STREAM, 0, size);
    const view = new DataView(bytes.buffer);
    const [width, height, format, length, offset] = [0, 4, 8, 12, 16].map((at) => view.getUint32(at, true));
    expect([width, height, format]).toEqual([320, 240, 0x06060000]);
    expect(offset! + length!).toBe(size);
    expect(view.getFloat32(20, true)).toBeGreaterThan(5);
    expect(await sharp(bytes.subarray(offset)).metadata()).toMatchObject({ format: 'jpeg', width: 320 });
    expect((await guest.tryRead(STREAM, 1, size)).outcome.kind).toBe('nak');
    expect((await guest.request(0x23, STREAM)).kind).toBe('ack');
  });
});
