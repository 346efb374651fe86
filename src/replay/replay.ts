/**
 * A recorded line, run again: the connections to a camera, one after the other, each as a byte stream that answers from the
 * recording. All of them share the recording's clock.
 */
import { type Clock, realClock } from '../async.js';
import { BridgeError } from '../errors.js';
import type { ByteStream } from '../link/index.js';
import { recordingOf } from '../options/index.js';
import { type Capabilities, decodeCaps, Opcode } from '../protocol/index.js';
import { endedError, FrameReplay } from './frame-replay.js';
import { readWire } from './read-wire.js';
import { RecordedClock } from './recorded-clock.js';
import { type ReplayHost, ReplayLine } from './replay-line.js';
import type { WireEntry } from './wire.js';
import { WirePackets } from './wire-packets.js';

export interface ReplayOptions {
  /** Times the original speed; `max`: as fast as frames are taken. */
  readonly speed: number | 'max';
  /** Which camera, in a recording of the frames of several. */
  readonly cameraId?: string | undefined;
}

/** The recording that a port names; undefined: it is no recording. */
export function replayOf(options: ReplayOptions & { readonly port: string }): Replay | undefined {
  const path = recordingOf(options.port);
  return path === undefined ? undefined : new Replay(path, options);
}

/** A line that was opened: the stream, and what was agreed on when it was recorded. */
export interface ReplayedLine {
  readonly stream: ByteStream;
  readonly link: Pick<Capabilities, 'ack' | 'crc' | 'maxPayload'> | undefined;
  /** What waits on it are measured with. */
  readonly clock: Clock;
  /** The camera's recorded name, where frames were recorded and no line. */
  readonly cameraId: string | undefined;
}

/** Entries up to SET_CAPS, which says what was agreed on. */
const LOOK_AHEAD = 1_000;

export class Replay {
  /** That of the host which is replayed to. */
  readonly clock = new RecordedClock();
  /** Whether frames wait for those who take them: then no answer of the host is missing. Set by the owner. */
  held: () => boolean = () => false;
  /** Frames in the place of a line: what was recorded without one. Known when it is open. */
  frames: FrameReplay | undefined;
  readonly #path: string;
  readonly #options: ReplayOptions;
  #entries: AsyncIterator<WireEntry> | undefined;
  /** Read, and not replayed yet. */
  #ahead: WireEntry[] = [];
  /** What is added to times: the recording begins at the clock's 0. */
  #shiftMs: number | undefined;
  #line: ReplayLine | undefined;

  constructor(path: string, options: ReplayOptions) {
    this.#path = path;
    this.#options = options;
  }

  /**
   * The next connection of the recording. RECORDING_ENDED: there is none; FILE_FAILED, OPTION_INVALID: the file cannot be
   * read, or has no line in it.
   */
  async open(signal?: AbortSignal): Promise<ReplayedLine> {
    if (this.frames) throw this.ended();
    if (!this.#line) this.frames = await FrameReplay.open(this.#path, this.#options);
    if (this.frames) {
      const { cameraId } = this.frames;
      return { stream: this.frames.connect(), link: undefined, clock: realClock, cameraId };
    }
    await this.#line?.close();
    // What is left of a connection that the host gave up.
    if (this.#line) while ((await this.#peek()) && !(await this.#begins())) this.#ahead.shift();
    const first = await this.#peek();
    signal?.throwIfAborted();
    if (!first) {
      throw this.#line
        ? this.ended()
        : new BridgeError(
            'OPTION_INVALID',
            `${this.#path} has no bytes of a line in it, and no frames. Record with --record.`,
          );
    }
    const link = await this.#agreed();
    this.#line = new ReplayLine(this.#path, {
      clock: this.clock,
      speed: this.#options.speed,
      kind: first.type === 'opened' ? first.kind : 'usb',
      next: () => this.#next(),
      more: async () => (await this.#peek()) !== undefined,
      held: () => this.held(),
      ended: () => this.ended(),
    });
    return { stream: this.#line, link, clock: this.clock, cameraId: undefined };
  }

  /** Who can make requests that others than the bridge made when it was recorded. */
  attach(host: ReplayHost): void {
    this.#line?.attach(host);
  }

  /** Frees the file. Idempotent. */
  async close(): Promise<void> {
    await this.#line?.close();
    await this.frames?.close();
    await this.#entries?.return?.();
  }

  ended(): BridgeError {
    return endedError(this.#path);
  }

  /** The next entry of this connection; undefined: it is over. */
  async #next(): Promise<WireEntry | undefined> {
    const entry = await this.#peek();
    if (!entry || (await this.#begins())) return undefined;
    this.#ahead.shift();
    return entry;
  }

  /** Whether the next entry begins a connection that is not the one under way. */
  async #begins(): Promise<boolean> {
    return (await this.#peek())?.type === 'opened';
  }

  async #peek(): Promise<WireEntry | undefined> {
    if (this.#ahead.length === 0) await this.#read();
    return this.#ahead[0];
  }

  async #read(): Promise<boolean> {
    this.#entries ??= readWire(this.#path)[Symbol.asyncIterator]();
    const { value, done } = await this.#entries.next();
    if (done) return false;
    this.#shiftMs ??= this.clock.now() - value.atMs;
    this.#ahead.push({ ...value, atMs: value.atMs + this.#shiftMs });
    return true;
  }

  /** Takes the mark of the connection's beginning away, and looks for what was agreed on. */
  async #agreed(): Promise<ReplayedLine['link']> {
    if (await this.#begins()) this.#ahead.shift();
    let link: ReplayedLine['link'];
    const packets = new WirePackets((item) => {
      if (item.type !== 'packet' || item.from !== 'host' || item.crc === 'damaged') return;
      if (item.header.opcode === Opcode.PROTO_SET_CAPS && item.payload.length > 0)
        link ??= decodeCaps(item.payload);
    });
    for (let index = 0; !link && index < LOOK_AHEAD; index++) {
      if (index >= this.#ahead.length && !(await this.#read())) break;
      const entry = this.#ahead[index]!;
      if (entry.type === 'opened') break;
      packets.take(entry);
    }
    return link;
  }
}
