/**
 * Frames through the window, one READ each, as long as all goes well: an event, a READ of the size that it announces, the
 * frame. The release of a frame goes together with the next READ, and its answer is not waited for. Nothing is repaired
 * here: whatever is not as it should be ends the stream, and the puller looks what is latched.
 *
 * It runs within the link's turns, without promises: a frame costs its requests, its memory, and one call of its handler.
 */
import { Alarm, type Clock } from '../async.js';
import { type ByteRange, type LinkOutcome, type LinkRequest, MAX_READ_FRAGMENTS } from '../link/index.js';
import { Opcode, writeIoRequest } from '../protocol/index.js';
import type { FrameChannel } from './frame-channel.js';
import { FrameReader, TRUSTED_MS } from './frame-reader.js';
import type { PullPace } from './pull-pace.js';
import { DATA_LIMIT, HEADER_BYTES, readHeader, releaseOffset, WINDOW, windowOf } from './window.js';

/** Why a stream has ended: `idle`: no event came in time; `unusual`: look what is latched. */
export type StreamEnd = 'aborted' | 'idle' | 'unusual';

export interface WindowStreamOwner {
  /** Pending while there is no room for another frame; undefined: there is. */
  room(): Promise<unknown> | undefined;
  /** A frame has been read whole; `sentAt`, `answeredAt`: when the READ of its header was sent, and its reply began. */
  whole(reader: FrameReader, eventsBefore: number, sentAt: number, answeredAt: number): void;
  /** Some of a frame has been read: the rest of it is to be read by looking what is latched. */
  partial(reader: FrameReader, sentAt: number): void;
  /** What should have been a header is none. */
  noWindow(): void;
  /** Whether the last frame taken was released is not known. */
  releaseUnknown(): void;
}

/** A READ; used again and again. */
class Read implements LinkRequest {
  readonly opcode = Opcode.CHANNEL_READ;
  readonly payload = new Uint8Array(8);
  readonly quick = true;
  readonly prompt = true;
  readonly ahead = true;
  channel = 0;
  session = 0;
  attempts = 1;
  destination: Uint8Array | undefined;
  answeredAt = 0;
  settle: (outcome: LinkOutcome) => void;

  constructor(settle: (outcome: LinkOutcome, read: Read) => void) {
    this.settle = (outcome) => settle(outcome, this);
  }
}

const NOTHING = Buffer.alloc(0);

export class WindowStream {
  readonly #source: FrameChannel;
  readonly #owner: WindowStreamOwner;
  readonly #pace: PullPace;
  readonly #clock: Clock;
  readonly #alarm: Alarm;
  #signal: AbortSignal | undefined;
  #resolve: ((end: StreamEnd) => void) | undefined;
  #reject: (error: unknown) => void = () => undefined;
  /** How it ends as soon as nothing is under way any more. */
  #end: StreamEnd | undefined;
  #error: { readonly cause: unknown } | undefined;

  /** The frame's READs, in order; those that are under way of them. */
  readonly #reads: Read[] = [];
  #readsLeft = 0;
  #buffer = NOTHING;
  #missing: ByteRange[] = [];
  #failed = false;
  #begunAt = 0;
  #eventsBefore = 0;

  readonly #release = new Read((outcome) => this.#released(outcome));
  #releasing = false;
  /** The frame that is to be released with the next request. */
  #toRelease: number | undefined;
  /** Waiting for room. */
  #full = false;

  constructor(source: FrameChannel, owner: WindowStreamOwner, pace: PullPace, clock: Clock) {
    this.#source = source;
    this.#owner = owner;
    this.#pace = pace;
    this.#clock = clock;
    this.#alarm = new Alarm(clock, () => this.#idle());
    this.#release.destination = new Uint8Array(1);
  }

  /** Runs until something unusual happens. Rejects only with what a handler throws. Aborted, the frame under way still comes. */
  run(signal: AbortSignal): Promise<StreamEnd> {
    return new Promise((resolve, reject) => {
      this.#signal = signal;
      this.#resolve = resolve;
      this.#reject = reject;
      this.#end = undefined;
      this.#error = undefined;
      this.#source.channel.together(() => this.#next());
    });
  }

  /** An event has come, the signal was aborted, or the channels have changed. */
  changed(): void {
    if (!this.#resolve || this.#readsLeft > 0 || this.#full) return;
    if (this.#source.waiting) this.#pace.waited(true);
    this.#next();
  }

  /** Nothing is being read: what comes next? */
  #next(): void {
    this.#alarm.set(undefined);
    const source = this.#source;
    if (this.#signal?.aborted) this.#end ??= 'aborted';
    else if (!source.current || !source.windowed || !source.camera.connected) this.#end ??= 'unusual';
    const room = this.#end === undefined ? this.#roomFor() : undefined;
    const bytes = source.waiting ? source.waitingBytes : 0;
    const fits = bytes >= HEADER_BYTES && bytes <= windowOf(source.camera.options.maxFrameBytes, DATA_LIMIT);
    if (source.waiting && !fits) this.#end ??= 'unusual';
    this.#sendRelease();
    if (this.#toRelease !== undefined) return;
    if (this.#end !== undefined) this.#finish();
    else if (room) this.#waitFor(room);
    else if (bytes > 0) this.#read(bytes);
    else this.#alarm.set(this.#clock.now() + this.#pace.waitMs);
  }

  #roomFor(): Promise<unknown> | undefined {
    try {
      return this.#owner.room();
    } catch (cause) {
      this.#fail(cause);
      return undefined;
    }
  }

  #waitFor(room: Promise<unknown>): void {
    this.#full = true;
    const go = (): void => {
      this.#full = false;
      this.#source.channel.together(() => this.#next());
    };
    room.then(go, (cause) => {
      if (!this.#signal?.aborted) this.#fail(cause);
      go();
    });
  }

  /** As many READs as it takes: each has a limited number of fragments. */
  #read(bytes: number): void {
    const { channel, events } = this.#source;
    this.#begunAt = this.#clock.now();
    this.#eventsBefore = events;
    this.#failed = false;
    this.#missing = [];
    this.#buffer = Buffer.allocUnsafeSlow(bytes);
    const step = channel.maxPayload * MAX_READ_FRAGMENTS;
    const count = Math.ceil(bytes / step);
    // All of them are under way before the first is sent: it may be settled at once.
    this.#readsLeft = count;
    for (let index = 0; index < count; index++) {
      const read = this.#reads[index] ?? new Read((outcome, self) => this.#settled(outcome, self));
      this.#reads[index] = read;
      const from = index * step;
      const to = Math.min(bytes, from + step);
      read.destination = step >= bytes ? this.#buffer : this.#buffer.subarray(from, to);
      this.#prepare(read, WINDOW + from);
      channel.submit(read);
    }
  }

  #sendRelease(): void {
    if (this.#toRelease === undefined || this.#releasing) return;
    this.#releasing = true;
    this.#prepare(this.#release, releaseOffset(this.#toRelease));
    this.#toRelease = undefined;
    this.#source.channel.submit(this.#release);
  }

  #prepare(read: Read, offset: number): void {
    writeIoRequest(read.payload, offset, read.destination?.length ?? 0);
    read.channel = this.#source.id;
    read.session = this.#source.session;
    read.attempts = 1;
  }

  #settled(outcome: LinkOutcome, read: Read): void {
    if (outcome.kind !== 'read') {
      this.#failed = true;
      // Most likely nothing was latched. If it was only smaller than expected, the look that follows finds it.
      if (outcome.kind === 'nak') this.#source.seenOpen(this.#eventsBefore);
    } else if (outcome.missing.length > 0) {
      const offset = read.destination!.byteOffset - this.#buffer.byteOffset;
      for (const { from, to } of outcome.missing)
        this.#missing.push({ from: offset + from, to: offset + to });
    }
    read.destination = undefined;
    if (--this.#readsLeft > 0) return;
    try {
      this.#take();
    } catch (cause) {
      this.#fail(cause);
    }
    this.#buffer = NOTHING;
    this.#next();
  }

  /** All READs of a frame are answered. */
  #take(): void {
    const buffer = this.#buffer;
    const missing = this.#missing;
    if (this.#failed || missing.some(({ from }) => from < HEADER_BYTES)) {
      // A refusal: nothing is latched, or it is smaller than its event said.
      this.#end = 'unusual';
      return;
    }
    const header = readHeader(buffer);
    const { camera, channel } = this.#source;
    if (!header) {
      this.#end = 'unusual';
      this.#owner.noWindow();
      return;
    }
    const latch = { size: header.size, number: header.number };
    const short = header.total - buffer.length;
    const late = this.#clock.now() - this.#begunAt > TRUSTED_MS;
    const several = buffer.length > channel.maxPayload * MAX_READ_FRAGMENTS;
    const doubtful = several && (late || camera.info().link.ack);
    if (header.size <= camera.options.maxFrameBytes && short <= 0 && missing.length === 0 && !doubtful) {
      this.#toRelease = header.number;
      const { answeredAt } = this.#reads[0]!;
      const reader = new FrameReader(latch, true, { buffer, missing, header });
      this.#owner.whole(reader, this.#eventsBefore, this.#begunAt, answeredAt);
      return;
    }
    this.#end = 'unusual';
    if (header.size > camera.options.maxFrameBytes) return;
    const whole = short > 0 ? Buffer.concat([buffer], header.total) : buffer;
    if (short > 0) missing.push({ from: buffer.length, to: header.total });
    const reader = new FrameReader(latch, true, { buffer: whole, missing, header, short: short > 0 });
    this.#owner.partial(reader, this.#begunAt);
  }

  #released(outcome: LinkOutcome): void {
    this.#releasing = false;
    if (outcome.kind !== 'read' || outcome.missing.length > 0) {
      this.#owner.releaseUnknown();
      // The number of the frame that is being read tells.
      if (this.#readsLeft === 0) this.#end ??= 'unusual';
    }
    if (this.#readsLeft > 0 || this.#full) return;
    if (this.#end !== undefined || this.#toRelease !== undefined) this.#next();
  }

  #idle(): void {
    if (this.#readsLeft > 0 || this.#full || !this.#resolve) return;
    this.#pace.waited(false);
    this.#end ??= 'idle';
    this.#finish();
  }

  #fail(cause: unknown): void {
    this.#error ??= { cause };
    this.#end ??= 'unusual';
  }

  /** Ends when nothing is under way any more: the answer to the last release is the last thing that can come. */
  #finish(): void {
    if (this.#end === undefined || this.#readsLeft > 0 || this.#releasing || this.#toRelease !== undefined)
      return;
    this.#alarm.stop();
    const resolve = this.#resolve;
    this.#resolve = undefined;
    if (this.#error) this.#reject(this.#error.cause);
    else resolve?.(this.#end);
  }
}
