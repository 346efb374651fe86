/**
 * The virtual image sensor with its frame buffer: takes pictures at the sensor's rate and turns them into JPEGs
 * or pixels when a script asks. Until then a picture is only a number: nothing is drawn that is not used.
 */
import crc32 from 'crc/calculators/crc32';
import { PixelFormat } from '../../protocol/index.js';
import type { PreviewChannel } from '../device/preview-channel.js';
import { COMPRESSION_FAILED, INTERRUPTED, NO_ROOM } from '../interpreter/codes.js';
import type { Interpreter } from '../interpreter/interpreter.js';
import type { Capture } from '../interpreter/messages.js';
import { PictureShelf } from '../pictures/picture-shelf.js';
import { loopLength, type PictureSpec, type RawPixels } from '../pictures/picture-spec.js';
import { BlobSearch } from './blob-search.js';
import type { Picture } from './blobs.js';
import { STAMP_SIZE, stampJpeg } from './capture-stamp.js';
import { DrawnPixels } from './drawn-pixels.js';
import { FrameBuffer } from './frame-buffer.js';
import { FrameClock } from './frame-clock.js';
import { type Look, Looks } from './looks.js';
import { bytesAPixel, smaller, writePixels } from './pixel-formats.js';
import { CsiError, getControl, setControl, setWindow } from './sensor-control.js';
import { SensorSettings } from './sensor-settings.js';

const DEFAULT_RATE = 30;
/** Quality of previews that the firmware compresses itself. */
const PREVIEW_QUALITY = 50;
/** How long a picture may take to be drawn before the capture fails. */
const DRAWING_TIMEOUT_MS = 20_000;

/** What the sensor needs of the board. */
export interface SensorBoard {
  /** Lets the board work until `time` (on the clock of `performance.now`). false: the script is being stopped. */
  waitUntil(time: number): boolean;
  /** Lets the board work until `ready`, at most `timeoutMs`. */
  waitFor(ready: () => boolean, timeoutMs: number): boolean;
  /** Lets this much time pass in which nothing is answered. */
  block(ms: number): void;
  askPicture(id: number, spec: PictureSpec, index: number): void;
  askJpeg(id: number, pixels: RawPixels, quality: number, fullChroma: boolean): void;
  reportCapture?(capture: Capture): void;
  /** Text for the camera's stdout. */
  print(text: string): void;
  readonly preview: PreviewChannel;
}

export interface SensorOptions {
  readonly fps: number | undefined;
  readonly compressMs: number;
  readonly pictureCount: number | undefined;
  readonly captures: number;
}

export class Sensor {
  /** Captures since the camera was opened. */
  captures: number;
  readonly shelf: PictureShelf;
  readonly blobs: BlobSearch;
  readonly #options: SensorOptions;
  readonly #interpreter: Interpreter;
  readonly #board: SensorBoard;
  readonly #clock = new FrameClock();
  readonly #buffer: FrameBuffer;
  #settings = new SensorSettings();
  readonly #looks = new Looks();
  /** Of the last frame. */
  #look: Look;
  #takenAt = 0;
  /** Address and length of the JPEG in the frame buffer; length 0: it holds no JPEG. */
  #jpegSize = 0;
  #taken = false;
  readonly #drawn = new DrawnPixels();

  constructor(options: SensorOptions, interpreter: Interpreter, board: SensorBoard) {
    this.#options = options;
    this.#interpreter = interpreter;
    this.#board = board;
    this.captures = options.captures;
    this.#buffer = new FrameBuffer(interpreter);
    this.#looks.changed(this.#settings, 0, true);
    this.#look = this.#looks.at(0);
    const ask = board.askPicture.bind(board);
    this.shelf = new PictureShelf(ask);
    this.blobs = new BlobSearch(interpreter, () => this.#pixelsNow());
  }

  set(name: string, first: number, second: number): number {
    if (name === 'flush') {
      this.#updatePreview();
      return CsiError.NONE;
    }
    if (name !== 'reset') return this.#change(() => setControl(this.#settings, name, first, second));
    this.#settings = new SensorSettings();
    this.#looks.changed(this.#settings, performance.now(), true);
    this.#clock.restart();
    this.#taken = false;
    return CsiError.NONE;
  }

  get(name: string): number {
    if (name === 'ticks') return Math.floor(performance.now());
    if (name === 'readable') return Number(this.#due() <= performance.now());
    return getControl(this.#settings, name);
  }

  setWindow(x: number, y: number, w: number, h: number): number {
    return this.#change(() => setWindow(this.#settings, x, y, w, h));
  }

  /**
   * Waits for the next frame and takes it. Shared words: address, width, height, pixel format, bytes. Returns 1
   * for a frame of pixels, which are still to be drawn, 0 for one of the sensor's JPEGs, or an error number.
   */
  snapshot(blocking: boolean): number {
    const settings = this.#settings;
    if (settings.pixformat === 0) return CsiError.INVALID_PIXFORMAT;
    if (settings.framesize === 0) return CsiError.INVALID_FRAMESIZE;
    if (settings.off || settings.asleep) return CsiError.CAPTURE_FAILED;
    this.#updatePreview();
    const due = this.#due();
    if (due > performance.now() && !blocking) return CsiError.WOULD_BLOCK;
    if (!this.#board.waitUntil(due)) return INTERRUPTED;
    const now = performance.now();
    const { w, h } = settings.window;
    const bytes = w * h * bytesAPixel(settings.pixformat);
    const address = this.#buffer.frame(2 * w * h);
    if (address === 0) return CsiError.FRAMEBUFFER_OVERFLOW;
    this.#look = this.#looks.at(this.#clock.take(now));
    this.#board.preview.countFrame(now);
    this.captures++;
    this.#takenAt = Date.now();
    this.#taken = true;
    this.#jpegSize = 0;
    this.#drawn.forget();
    let size = bytes;
    if (settings.pixformat === PixelFormat.JPEG) {
      size = this.jpeg(settings.quality, false, false);
      if (size < 0) return size === INTERRUPTED ? INTERRUPTED : CsiError.CAPTURE_FAILED;
    }
    this.#setWords(this.#buffer.frame(0), w, h, settings.pixformat, size);
    return settings.pixformat === PixelFormat.JPEG ? 0 : 1;
  }

  /**
   * The last frame as a JPEG, in the frame buffer or, with `copy`, elsewhere: then its address is the first
   * shared word. Returns its size or an error number.
   */
  jpeg(quality: number, fullChroma: boolean, copy: boolean): number {
    const size = this.#compress(quality, fullChroma, copy);
    if (size > 0) this.#board.block(this.#options.compressMs);
    if (size < 0 || !this.#board.reportCapture) return size;
    const address = this.#interpreter.word(0);
    const data = this.#interpreter.bytes.subarray(address, address + size);
    this.#board.reportCapture({
      frame: this.captures,
      crc32: (crc32(data) >>> 0).toString(16).padStart(8, '0'),
      bytes: size,
      width: this.#settings.window.w,
      height: this.#settings.window.h,
    });
    return size;
  }

  #compress(quality: number, fullChroma: boolean, copy: boolean): number {
    const pixels = this.#drawn.changed(this.#interpreter.bytes.subarray(this.#buffer.frame(0)));
    const picture = pixels
      ? this.#encoded(pixels, quality, fullChroma)
      : this.#picture(this.#look.spec(quality, fullChroma));
    if (typeof picture === 'number') return picture;
    const size = picture.length + STAMP_SIZE;
    const address = copy ? this.#buffer.copy(size) : this.#buffer.frame(size);
    if (address === 0) return NO_ROOM;
    const target = this.#interpreter.bytes.subarray(address, address + size);
    stampJpeg(target, picture, this.captures, this.#takenAt);
    if (!copy) {
      this.#jpegSize = size;
      this.#drawn.forget();
    }
    const { w, h } = this.#settings.window;
    this.#setWords(address, w, h, PixelFormat.JPEG, size);
    return size;
  }

  /** Draws the last frame's pixels into the frame buffer. Returns 0 or an error number. */
  pixels(): number {
    const picture = this.#picture(this.#look.spec(undefined, false));
    if (typeof picture === 'number') return picture;
    const { pixformat, window } = this.#settings;
    const address = this.#buffer.frame(2 * window.w * window.h);
    if (address === 0) return NO_ROOM;
    const memory = this.#interpreter.bytes.subarray(address);
    writePixels(memory, picture, pixformat, window.w);
    this.#drawn.put(memory, pixformat, window.w, window.h);
    return 0;
  }

  /** What lies in the frame buffer, as a script has drawn it or changed it. */
  #pixelsNow(): Picture {
    const { pixformat, window } = this.#settings;
    const address = this.#buffer.frame(0);
    const bytes = window.w * window.h * bytesAPixel(pixformat);
    const pixels = this.#interpreter.bytes.subarray(address, address + bytes);
    return { pixels, width: window.w, height: window.h, grey: pixformat === PixelFormat.GRAYSCALE };
  }

  #due(): number {
    const rate = this.#options.fps ?? (this.#settings.framerate || DEFAULT_RATE);
    return this.#clock.due(performance.now(), rate, this.#settings.framebuffers);
  }

  /** The last capture's picture; waits for it to be drawn. */
  #picture(spec: PictureSpec): Uint8Array | number {
    const { shelf } = this;
    const count = this.#options.pictureCount ?? loopLength(spec.width, spec.height);
    const index = (Math.max(1, this.captures) - 1) % count;
    let picture = shelf.take(spec, index, count);
    if (picture) return picture;
    const there = (): boolean => {
      picture = shelf.failure === undefined ? shelf.take(spec, index, count) : undefined;
      return picture !== undefined || shelf.failure !== undefined;
    };
    if (!this.#board.waitFor(there, DRAWING_TIMEOUT_MS)) return INTERRUPTED;
    return picture ?? this.#noPicture();
  }

  /** A JPEG of what a script has made of the pixels; waits for it. */
  #encoded(pixels: RawPixels, quality: number, fullChroma: boolean): Uint8Array | number {
    let done = false;
    let picture: Uint8Array | undefined;
    const id = this.shelf.order((made) => {
      picture = made;
      done = true;
    });
    this.#board.askJpeg(id, pixels, quality, fullChroma);
    if (!this.#board.waitFor(() => done, DRAWING_TIMEOUT_MS)) return INTERRUPTED;
    return picture ?? this.#noPicture();
  }

  #noPicture(): number {
    const why = this.shelf.failure ?? 'drawing takes too long';
    this.#board.print(`The virtual camera has no picture: ${why}\n`);
    return COMPRESSION_FAILED;
  }

  /** What changes the form of frames empties the frame buffers. */
  #change(control: () => number): number {
    const form = formOf(this.#settings);
    const code = control();
    const flushed = formOf(this.#settings) !== form;
    if (flushed) this.#clock.flush();
    this.#looks.changed(this.#settings, performance.now(), flushed);
    return code;
  }

  /** As the firmware does before it reuses the buffer: what lies in it becomes the preview. */
  #updatePreview(): void {
    const { preview } = this.#board;
    if (!this.#taken || !preview.wanting) return;
    const { pixformat, window } = this.#settings;
    const { w, h } = window;
    const raw = this.#jpegSize > 0 ? undefined : preview.rawSize(pixformat, w, h);
    if (raw) {
      if (!this.#drawn.there && this.pixels() < 0) return;
      const address = this.#buffer.frame(0);
      const pixels = this.#interpreter.bytes.subarray(address, address + w * h * bytesAPixel(pixformat));
      const shown = raw.width === w && raw.height === h ? pixels : smaller(pixels, w, h, raw, pixformat);
      preview.update(pixformat, shown, raw.width, raw.height);
      return;
    }
    if (this.#jpegSize === 0) {
      if (this.#compress(PREVIEW_QUALITY, false, true) < 0) return;
      this.#board.block(this.#options.compressMs);
    }
    const address = this.#jpegSize > 0 ? this.#buffer.frame(0) : this.#interpreter.word(0);
    const size = this.#jpegSize > 0 ? this.#jpegSize : this.#interpreter.word(4);
    preview.update(PixelFormat.JPEG, this.#interpreter.bytes.subarray(address, address + size), w, h);
  }

  #setWords(...values: number[]): void {
    values.forEach((value, index) => {
      this.#interpreter.setWord(index, value);
    });
  }
}

function formOf({ pixformat, framebuffers, width, height, window }: SensorSettings): string {
  return [pixformat, framebuffers, width, height, window.x, window.y, window.w, window.h].join();
}
