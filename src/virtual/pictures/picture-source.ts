/**
 * Draws what the virtual sensor sees, in sharp's own threads: the test scene or pictures from files, at the
 * sensor's size, then as its settings make them, as a JPEG or as pixels.
 */
import sharp, { type Sharp } from 'sharp';
import { mulberry32 } from '../prng.js';
import { loopLength, type PictureSpec, type RawPixels, specKey, type Tone } from './picture-spec.js';
import { drawScene } from './scene.js';

/** Bytes of finished pictures, and of frames as they were before the settings were applied. */
const PICTURE_CACHE = 64 * 1024 * 1024;
const FRAME_CACHE = 32 * 1024 * 1024;

/** Side of the square of sensor noise that is laid over the scene, and how far it goes from medium gray. */
const NOISE_SIZE = 256;
const NOISE_LEVEL = 26;
const NOISE_SEED = 2;

/** Blur of one level below 0, in pixels. */
const BLUR_LEVEL = 0.8;

const IDENTITY = '1,0,0,0,1,0,0,0,1';

export class PictureSource {
  readonly #files: readonly string[] | undefined;
  readonly #frames = new ByteCache(FRAME_CACHE);
  readonly #pictures = new ByteCache(PICTURE_CACHE);
  /** Pictures being drawn: a second request for the same one waits for the same result. */
  readonly #drawing = new Map<string, Promise<Uint8Array>>();
  readonly #noise = makeNoise();

  /** `files`: paths of pictures; undefined: the test scene. */
  constructor(files: readonly string[] | undefined) {
    this.#files = files;
  }

  /** Pictures in a loop, when they come from files. */
  get count(): number | undefined {
    return this.#files?.length;
  }

  /** The picture with that index in the loop, in memory that Workers can share. Rejects when it cannot be drawn. */
  draw(spec: PictureSpec, index: number): Promise<Uint8Array> {
    const key = `${index} ${specKey(spec)}`;
    const known = this.#pictures.get(key);
    if (known) return Promise.resolve(known);
    const under = this.#drawing.get(key);
    if (under) return under;
    const drawing = this.#draw(spec, index)
      .then((bytes) => {
        this.#pictures.set(key, bytes);
        return bytes;
      })
      .finally(() => this.#drawing.delete(key));
    this.#drawing.set(key, drawing);
    return drawing;
  }

  /** A JPEG of a script's own pixels; it is not kept. */
  async encode({ data, ...raw }: RawPixels, quality: number, fullChroma: boolean): Promise<Uint8Array> {
    const image = sharp(data, { raw });
    const grey = raw.channels === 1;
    return shared(await jpegOf(grey ? image.toColourspace('b-w') : image, quality, fullChroma));
  }

  /** Resolves when nothing is being drawn. */
  async idle(): Promise<void> {
    while (this.#drawing.size > 0) await Promise.allSettled(this.#drawing.values());
  }

  async #draw(spec: PictureSpec, index: number): Promise<Uint8Array> {
    const frame = await this.#frame(spec.width, spec.height, index);
    const { width, height, window } = spec;
    const left = spec.mirror ? width - window.x - window.w : window.x;
    const top = spec.flip ? height - window.y - window.h : window.y;
    let image = sharp(frame, { raw: { width, height, channels: 3 } })
      .extract({ left, top, width: window.w, height: window.h })
      .flop(spec.mirror)
      .flip(spec.flip);
    if (spec.matrix.join() !== IDENTITY || spec.offset !== 0) {
      const [a, b, c, d, e, f, g, h, i] = spec.matrix;
      image = image.recomb([
        [a, b, c],
        [d, e, f],
        [g, h, i],
      ]);
      image = image.linear([1, 1, 1], [spec.offset, spec.offset, spec.offset]);
    }
    if (spec.tone) image = await applyTone(image, spec.tone);
    image = spec.gray ? image.toColourspace('b-w') : image;
    if (spec.quality === undefined) return shared(await image.raw().toBuffer());
    return shared(await jpegOf(image, spec.quality, spec.fullChroma));
  }

  /** The frame before the sensor's settings: three bytes a pixel. */
  async #frame(width: number, height: number, index: number): Promise<Uint8Array> {
    const key = `${index} ${width}x${height}`;
    const known = this.#frames.get(key);
    if (known) return known;
    const file = this.#files?.[index % this.#files.length];
    const image =
      file === undefined
        ? this.#scene(width, height, index)
        : sharp(file).rotate().resize(width, height, { fit: 'cover' }).flatten().toColourspace('srgb');
    const frame = await image.removeAlpha().raw().toBuffer();
    this.#frames.set(key, frame);
    return frame;
  }

  #scene(width: number, height: number, index: number): Sharp {
    const scene = drawScene(width, height, index, loopLength(width, height));
    // The noise is laid as tiles, none of which may be larger than the frame.
    const raw = {
      width: Math.min(width, NOISE_SIZE),
      height: Math.min(height, NOISE_SIZE),
      channels: 3,
    } as const;
    const input = this.#noise.subarray(0, raw.width * raw.height * raw.channels);
    return sharp(Buffer.from(scene)).composite([{ input, raw, tile: true, blend: 'overlay' }]);
  }
}

function makeNoise(): Buffer {
  const random = mulberry32(NOISE_SEED);
  const noise = Buffer.alloc(NOISE_SIZE * NOISE_SIZE * 3);
  for (let at = 0; at < noise.length; at += 3) {
    const brightness = (random() + random() - 1) * NOISE_LEVEL;
    for (let channel = 0; channel < 3; channel++) {
      noise[at + channel] = 128 + brightness + (random() - 0.5) * NOISE_LEVEL;
    }
  }
  return noise;
}

function jpegOf(image: Sharp, quality: number, fullChroma: boolean): Promise<Buffer> {
  return image.jpeg({ quality, chromaSubsampling: fullChroma ? '4:4:4' : '4:2:0' }).toBuffer();
}

function shared(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new SharedArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** Draws the picture so far, three bytes a pixel, and gives it back with its tone changed. */
async function applyTone(image: Sharp, tone: Tone): Promise<Sharp> {
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  const curve = toneCurve(tone);
  for (let at = 0; at < data.length; at++) data[at] = curve[data[at]!]!;
  const { width, height } = info;
  const made = sharp(data, { raw: { width, height, channels: 3 } });
  if (tone.sharpness > 0) return made.sharpen({ sigma: 1, m1: tone.sharpness, m2: 3 * tone.sharpness });
  return tone.sharpness < 0 ? made.blur(-tone.sharpness * BLUR_LEVEL) : made;
}

/** New value of each of the 256 old ones. */
function toneCurve({ gamma, negative }: Tone): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => {
    const lifted = Math.round(255 * (value / 255) ** (1 / gamma));
    return negative ? 255 - lifted : lifted;
  });
}

/** Byte arrays by name, up to a number of bytes in all; the one that was not asked for longest goes first. */
export class ByteCache {
  readonly #limit: number;
  readonly #entries = new Map<string, Uint8Array>();
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get(name: string): Uint8Array | undefined {
    const found = this.#entries.get(name);
    if (found) {
      this.#entries.delete(name);
      this.#entries.set(name, found);
    }
    return found;
  }

  set(name: string, bytes: Uint8Array): void {
    this.#bytes += bytes.length - (this.#entries.get(name)?.length ?? 0);
    this.#entries.delete(name);
    this.#entries.set(name, bytes);
    for (const [oldest, old] of this.#entries) {
      if (this.#bytes <= this.#limit) break;
      this.#entries.delete(oldest);
      this.#bytes -= old.length;
    }
  }
}
