/** One channel of a camera, by name: its id is looked up when needed, for a script's restart changes it. */
import { Observable } from 'rxjs';
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';
import { BACKEND_PIECE, type ByteRange, type LinkRequest, MAX_READ_FRAGMENTS } from '../link/index.js';
import {
  decodeShape,
  decodeWord,
  encodeIoctlRequest,
  encodeIoRequest,
  IO_REQUEST_SIZE,
  Opcode,
  Status,
} from '../protocol/index.js';
import { outcomeError } from './outcome.js';
import type { Session } from './session.js';

/** Pause before LOCK is tried again: the camera allows one in 10 ms, over all channels. */
const LOCK_RETRY_MS = 12;
const LOCK_ATTEMPTS = 50;
/** Rounds in which damaged ranges are read again. */
const REPAIR_ROUNDS = 10;
/** Largest `read()` in one go. */
const MAX_READ = 64 * 1024 * 1024;

/** Every method takes an AbortSignal: aborted, it rejects with `signal.reason` at once. */
export class Channel {
  readonly name: string;
  readonly #session: Session;
  /** It gives each byte once: what was lost on the way cannot be read again. */
  readonly #once: boolean;
  /**
   * Acks on: questions and READs go without the pause that leaves the camera's script time to run. Only while a frame is
   * fetched that is known to be latched; polling an open latch so would keep the script from ever closing it.
   */
  prompt = false;
  /** It answers READ in smaller pieces than the payload allows. */
  #inSmallPieces = false;

  constructor(name: string, session: Session) {
    this.name = name;
    this.#session = session;
    this.#once = name === 'stdout';
  }

  /** The channel's id now; it is another one after the camera's script was restarted. CHANNEL_MISSING. */
  id(signal?: AbortSignal): Promise<number> {
    return this.#session.idOf(this.name, signal);
  }

  /** Event numbers as the camera sends them (0xFFFF for a notification without a number). */
  get events$(): Observable<number> {
    return new Observable((subscriber) =>
      this.#session.onEvent(({ channelId, event }) => {
        if (channelId === 0) return;
        this.id().then(
          (id) => id === channelId && subscriber.next(event),
          () => undefined,
        );
      }),
    );
  }

  /** Bytes ready to be read. */
  async size(signal?: AbortSignal): Promise<number> {
    return decodeWord(await this.#ask(Opcode.CHANNEL_SIZE, signal), 'channel size');
  }

  /** One to four numbers; what they mean is up to the channel. */
  async shape(signal?: AbortSignal): Promise<number[]> {
    return decodeShape(await this.#ask(Opcode.CHANNEL_SHAPE, signal));
  }

  /** Whether the channel says that it has something ready. */
  async poll(signal?: AbortSignal): Promise<boolean> {
    const id = await this.id(signal);
    const mask = decodeWord(
      await this.#session.ask(Opcode.CHANNEL_POLL, 0, '', signal, this.prompt),
      'poll mask',
    );
    return (mask & (1 << id)) !== 0;
  }

  /**
   * Reads `length` bytes from `offset`; without a length as many as `size()` says. Never ask for more than
   * `size()`: some channels would send whatever lies behind their buffer. Damaged ranges are read again
   * unless `repair` is false, as it must be for channels that give each byte only once; it is for stdout.
   */
  async read(
    options: { offset?: number; length?: number; repair?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<Uint8Array> {
    const { offset = 0, repair = !this.#once, signal } = options;
    const length = options.length ?? (await this.size(signal)) - offset;
    if (!Number.isInteger(length) || length < 0 || length > MAX_READ || offset < 0) {
      throw new BridgeError(
        'OPTION_INVALID',
        `Cannot read ${length} bytes from offset ${offset} of ${this.name}.`,
      );
    }
    const buffer = new Uint8Array(length);
    let missing: readonly ByteRange[] = length === 0 ? [] : [{ from: 0, to: length }];
    for (let round = 0; missing.length > 0 && round <= (repair ? REPAIR_ROUNDS : 0); round++) {
      missing = await this.readInto(buffer, offset, missing, { signal });
    }
    if (missing.length === 0) return buffer;
    throw new BridgeError(
      'CAMERA_PROTOCOL',
      `Channel ${this.name} could not be read whole: the line is too bad.`,
      {
        context: { channel: this.name, length, missing },
      },
    );
  }

  /**
   * Reads ranges of the channel into a buffer whose beginning stands for `offset`, and returns those that did
   * not arrive whole. Each READ has at most 60 fragments, once it is known how large they are. Ends in an error as soon
   * as the camera refuses one, it is not known whether one was carried out, or the link has synchronised again since
   * `session` (of `Camera.session`; default: now): what is read then need not be what was read before.
   * `once`: it cannot be read again, so with acks on the camera's repetition of a lost answer is waited for.
   */
  async readInto(
    buffer: Uint8Array,
    offset: number,
    ranges: readonly ByteRange[],
    options: { session?: number; once?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<ByteRange[]> {
    const { session = this.#session.driver.session, once = this.#once, signal } = options;
    const id = await this.id(signal);
    const { maxPayload } = this.#session.driver.caps;
    const missing: ByteRange[] = [];
    for (const range of ranges) {
      for (let from = range.from, to = from; from < range.to; from = to) {
        const piece = this.#inSmallPieces ? BACKEND_PIECE : maxPayload;
        to = Math.min(from + piece * MAX_READ_FRAGMENTS, range.to);
        const request = encodeIoRequest(offset + from, to - from);
        const destination = buffer.subarray(from, to);
        const outcome = await this.#session.request(Opcode.CHANNEL_READ, id, request, {
          destination,
          session,
          quick: !once,
          prompt: this.prompt,
          signal,
        });
        if (outcome.kind !== 'read') throw outcomeError(outcome, Opcode.CHANNEL_READ, this.name);
        if (to - from > BACKEND_PIECE) this.#inSmallPieces = outcome.inSmallPieces === true;
        for (const gap of outcome.missing) missing.push({ from: from + gap.from, to: from + gap.to });
      }
    }
    return missing;
  }

  /** Bytes that one packet can carry, as agreed on. */
  get maxPayload(): number {
    return this.#session.driver.caps.maxPayload;
  }

  /** A request as it is, for a source of frames that knows the channel's id: see `LinkDriver.submit`. */
  submit(request: LinkRequest): void {
    this.#session.driver.submit(request);
  }

  /** What is submitted in `action` leaves in one write. */
  together(action: () => void): void {
    this.#session.driver.together(action);
  }

  /** Writes all of `data`, in as many requests as it needs. */
  async write(data: Uint8Array, offset = 0, signal?: AbortSignal): Promise<void> {
    const id = await this.id(signal);
    const step = this.#session.driver.caps.maxPayload - IO_REQUEST_SIZE;
    for (let at = 0; at < data.length; at += step) {
      const piece = data.subarray(at, at + step);
      const request = encodeIoRequest(offset + at, piece.length, piece);
      await this.#session.command(Opcode.CHANNEL_WRITE, id, request, this.name, signal);
    }
  }

  /** A channel-specific request with an optional argument. */
  async ioctl(request: number, argument?: Uint8Array, signal?: AbortSignal): Promise<void> {
    const payload = encodeIoctlRequest(request, argument);
    await this.#session.command(Opcode.CHANNEL_IOCTL, await this.id(signal), payload, this.name, signal);
  }

  /** Locks the channel's data; waits while the camera is busy. Every resynchronisation releases all locks. */
  async lock(signal?: AbortSignal): Promise<void> {
    const id = await this.id(signal);
    for (let attempt = 1; ; attempt++) {
      const outcome = await this.#session.request(Opcode.CHANNEL_LOCK, id, undefined, { signal });
      if (outcome.kind === 'ack') return;
      if (outcome.kind !== 'nak' || outcome.status !== Status.BUSY || attempt >= LOCK_ATTEMPTS) {
        throw outcomeError(outcome, Opcode.CHANNEL_LOCK, this.name);
      }
      await pause(LOCK_RETRY_MS, signal, this.#session.clock);
    }
  }

  async unlock(signal?: AbortSignal): Promise<void> {
    const id = await this.id(signal);
    await this.#session.command(Opcode.CHANNEL_UNLOCK, id, undefined, this.name, signal);
  }

  async #ask(opcode: number, signal: AbortSignal | undefined): Promise<Uint8Array> {
    return this.#session.ask(opcode, await this.id(signal), this.name, signal, this.prompt);
  }
}
