/**
 * JPEGs with their times as a Matroska stream (RFC 9559): the form in which GStreamer's own demultiplexer takes
 * frames from a pipe one by one, with a rate and with times, which encoders and file formats need.
 */
import { frameDurationNs } from './frame-rate.js';

export interface GstFrame {
  readonly jpeg: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Unix milliseconds at which it was complete on the host. */
  readonly timestampMs: number;
  /** Unix milliseconds at which it was captured, where that is known. */
  readonly capturedAtMs?: number | null | undefined;
}

/** Frames over which the rate is measured, and how many bytes of them are kept at most meanwhile. */
const MEASURED_FRAMES = 12;
const MEASURED_BYTES = 32 * 2 ** 20;

/** The size of an element that goes on until the stream ends (RFC 8794, section 6.2). */
const UNKNOWN_SIZE = Buffer.from('01ffffffffffffff', 'hex');
const TRACK = 1;
const VIDEO = 1;
/** Nanoseconds in one tick: times are in microseconds. */
const TICK_NS = 1_000;
const TICKS_PER_MS = 1_000;
/** Track number, time relative to the cluster's, and the flag of a key frame. */
const BLOCK_HEAD = Buffer.from([0x80 | TRACK, 0, 0, 0x80]);

/** Turns frames into the bytes of a stream. The first ones are kept until their times tell the rate. */
export class MatroskaStream {
  readonly #held: GstFrame[] = [];
  #heldBytes = 0;
  #begun = false;
  #durationNs: number | undefined;
  readonly #sensorRate: number | undefined;
  #originMs = 0;
  #lastTick = -1;

  /**
   * `durationNs`: of a frame, in nanoseconds, where it is known; then no frame is kept. `sensorRate`: what the sensor is set
   * to, in frames per second.
   */
  constructor(durationNs?: number, sensorRate?: number) {
    this.#durationNs = durationNs;
    this.#sensorRate = sensorRate;
  }

  /** Of a frame, in nanoseconds; undefined until it is known. */
  get durationNs(): number | undefined {
    return this.#durationNs;
  }

  /** Frames that are kept. */
  get held(): number {
    return this.#held.length;
  }

  /** Whether bytes have come out. */
  get begun(): boolean {
    return this.#begun;
  }

  /** What to write for this frame: nothing yet, or the kept ones and this one. */
  push(frame: GstFrame): Uint8Array[] {
    if (this.#begun) return this.#frame(frame);
    this.#held.push(frame);
    this.#heldBytes += frame.jpeg.length;
    const enough = this.#held.length >= MEASURED_FRAMES || this.#heldBytes >= MEASURED_BYTES;
    return enough || this.#durationNs !== undefined ? this.begin() : [];
  }

  /** What to write so that no frame is kept any more: the rate is what the frames so far tell. */
  begin(): Uint8Array[] {
    const [first] = this.#held;
    if (!first) return [];
    this.#begun = true;
    this.#durationNs ??= frameDurationNs(this.#held.map(timeOf), this.#sensorRate);
    this.#originMs = timeOf(first);
    return [
      head(first.width, first.height, this.#durationNs),
      ...this.#held.splice(0).flatMap((frame) => this.#frame(frame)),
    ];
  }

  #frame(frame: GstFrame): Uint8Array[] {
    return [frameHead(this.#tick(frame), frame.jpeg.length), frame.jpeg];
  }

  /** Microseconds since the first frame. Goes forward only: after the system's clock was set back it goes on as before. */
  #tick(frame: GstFrame): number {
    const timeMs = timeOf(frame);
    let tick = Math.round((timeMs - this.#originMs) * TICKS_PER_MS);
    if (tick <= this.#lastTick) {
      tick = this.#lastTick + Math.round((this.#durationNs ?? 0) / TICK_NS);
      this.#originMs = timeMs - tick / TICKS_PER_MS;
    }
    this.#lastTick = tick;
    return tick;
  }
}

const timeOf = ({ capturedAtMs, timestampMs }: GstFrame): number => capturedAtMs ?? timestampMs;

/** What a stream begins with; `width` and `height` in pixels. */
function head(width: number, height: number, durationNs: number): Buffer {
  return Buffer.concat([
    element('1a45dfa3', element('4282', Buffer.from('matroska')), number('4287', 2), number('4285', 2)),
    Buffer.from('18538067', 'hex'),
    UNKNOWN_SIZE,
    element('1549a966', number('2ad7b1', TICK_NS)),
    element(
      '1654ae6b',
      element(
        'ae',
        number('d7', TRACK),
        number('73c5', TRACK),
        number('83', VIDEO),
        number('23e383', durationNs),
        element('86', Buffer.from('V_MJPEG')),
        element('e0', number('b0', width), number('ba', height)),
      ),
    ),
  ]);
}

/** What stands before a frame of `bytes` bytes, `tick` after the first one. */
function frameHead(tick: number, bytes: number): Buffer {
  const time = number('e7', tick);
  const block = Buffer.concat([Buffer.from('a3', 'hex'), size(BLOCK_HEAD.length + bytes), BLOCK_HEAD]);
  const cluster = Buffer.concat([Buffer.from('1f43b675', 'hex'), size(time.length + block.length + bytes)]);
  return Buffer.concat([cluster, time, block]);
}

function element(id: string, ...content: Buffer[]): Buffer {
  const data = Buffer.concat(content);
  return Buffer.concat([Buffer.from(id, 'hex'), size(data.length), data]);
}

function number(id: string, value: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE(BigInt(value));
  return element(id, data);
}

/** A size in eight bytes, the first bit of which says so. */
function size(bytes: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE(BigInt(bytes) | (1n << 56n));
  return data;
}
