/**
 * One connection of a recording as a byte stream. What the camera sent is given to the host in the recorded order and pieces,
 * each when the host has sent all that it had sent before it then, at the recorded time of the recording's clock. So the
 * host, which acts on nothing but bytes and time, does again what it did; where it does something else, the replay ends and
 * says so.
 *
 * Timers fire only while bytes of the host are missing: when bytes of the camera came first then, they do so now.
 */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { BridgeError } from '../errors.js';
import type { ByteStream, ByteStreamHandlers, LineKind } from '../link/index.js';
import { ChannelId, Flag, Opcode, type PacketHeader } from '../protocol/index.js';
import { itemText, PacketWords } from './packet-words.js';
import type { RecordedClock } from './recorded-clock.js';
import type { WireEntry } from './wire.js';
import { type WirePacket, WirePackets } from './wire-packets.js';

/** Makes a request on the line, and drops its answer. */
export type ReplayHost = (header: Readonly<PacketHeader>, payload: Uint8Array) => void;

export interface ReplayParts {
  readonly clock: RecordedClock;
  readonly speed: number | 'max';
  readonly kind: LineKind;
  /** The connection's next entry; undefined: it is over. */
  next(): Promise<WireEntry | undefined>;
  /** Whether another connection follows. */
  more(): Promise<boolean>;
  held(): boolean;
  ended(): BridgeError;
}

/** Turns of the event loop after which the host has done all that needs no time. */
const SETTLE_TURNS = 3;
/** Promises that wait for each other, one behind the other, after some bytes came. */
const PROMISES = 100;
/** Pieces that are read ahead. */
const MOST_AT_ONCE = 10_000;
/** Pieces that are not further apart come at once: how long the host takes for files differs from run to run. */
const TOGETHER_MS = 20;
/** A timer that fired then fires now, though it is set a little later; after real time in which nothing else came. */
const SLACK_MS = 50;
const RESTING_MS = 100;
/** Real time after which what the host does not send is taken for a request of somebody else, or for a difference. */
const IDLE_MS = 300;
const LOST_MS = 10_000;
/** A pause that was this late is not caught up. */
const BEHIND_MS = 100;
/** Requests that can be made for somebody else: their answers are used up by the link. */
const REPEATABLE = new Set<number>(Object.values(Opcode).filter((opcode) => opcode >= Opcode.PROTO_STATS));

export class ReplayLine implements ByteStream {
  readonly name: string;
  readonly kind: LineKind;
  readonly #parts: ReplayParts;
  #handlers: ByteStreamHandlers | undefined;
  #host: ReplayHost | undefined;
  /** What the host has sent and the recording did not come to yet. */
  #sent = Buffer.alloc(0);
  #written: (() => void) | undefined;
  /** The host reads: before that nothing is worth waiting for. */
  #pulling = false;
  /** The channel that it reads frames from. */
  #pulled: number | undefined;
  #closed = false;
  /** Read, and not played yet; and whether nothing of this connection comes behind it. */
  readonly #ahead: WireEntry[] = [];
  #ended = false;
  /** Real time at which the recording's time 0 would be. */
  #originMs: number | undefined;

  constructor(path: string, parts: ReplayParts) {
    this.name = `replay:${path}`;
    this.kind = parts.kind;
    this.#parts = parts;
  }

  attach(host: ReplayHost): void {
    this.#host = host;
  }

  start(handlers: ByteStreamHandlers): void {
    this.#handlers = handlers;
    this.#play().then(
      (error) => this.#end(error),
      (error: BridgeError) => this.#end(error),
    );
  }

  write(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#sent = Buffer.concat([this.#sent, bytes]);
    this.#written?.();
  }

  async close(): Promise<void> {
    this.#end();
  }

  #end(error?: BridgeError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#written?.();
    this.#handlers?.closed(error);
  }

  /** Resolves to what the line ends in. */
  async #play(): Promise<BridgeError> {
    const { clock } = this.#parts;
    for (;;) {
      if (!this.#filled) await this.#fill();
      const entry = this.#ahead.shift();
      if (this.#closed) return this.#parts.ended();
      if (entry?.type !== 'bytes') return this.#over(entry);
      const { bytes, atMs, from } = entry;
      if (from === 'host') {
        if (this.#has(bytes, atMs)) this.#use(bytes, atMs);
        else await this.#expect(bytes, atMs);
      } else {
        if (this.#early(atMs)) await this.#pace(atMs);
        if (this.#closed) return this.#parts.ended();
        clock.reach(atMs);
        this.#handlers?.data(bytes);
      }
      // What came in one turn then comes in one turn now.
      if (this.#ahead[0]?.atMs !== atMs) await promises();
    }
  }

  /**
   * Whether all up to the host's next bytes, and what came in one turn with them, is there: nothing of the host that waits
   * for more than the line gets ahead of it.
   */
  get #filled(): boolean {
    const last = this.#ahead.at(-1);
    if (this.#ended || this.#ahead.length > MOST_AT_ONCE) return true;
    const host = this.#ahead.find((entry) => entry.type === 'bytes' && entry.from === 'host');
    return host !== undefined && last !== host && last?.atMs !== host.atMs;
  }

  async #fill(): Promise<void> {
    while (!this.#filled) {
      const entry = await this.#parts.next();
      if (entry) this.#ahead.push(entry);
      this.#ended = entry?.type !== 'bytes';
    }
  }

  /** The connection is over, in the recording. */
  async #over(entry: WireEntry | undefined): Promise<BridgeError> {
    if (entry) {
      if (this.#early(entry.atMs)) await this.#pace(entry.atMs);
      this.#parts.clock.reach(entry.atMs);
    }
    if (!(await this.#parts.more())) return this.#parts.ended();
    return new BridgeError('PORT_CLOSED', `The line was broken here when ${this.name} was recorded.`);
  }

  /** At the original speed, or `speed` times that, `atMs` is still to come; a replay that was held goes on at its speed. */
  #early(atMs: number): boolean {
    const { speed } = this.#parts;
    if (speed === 'max' || !this.#pulling) return false;
    const now = performance.now();
    this.#originMs ??= now - atMs / speed;
    const late = now - (this.#originMs + atMs / speed);
    if (late > BEHIND_MS) this.#originMs += late;
    return late < -TOGETHER_MS;
  }

  async #pace(atMs: number): Promise<void> {
    const { speed } = this.#parts;
    if (speed === 'max') return;
    const end = new AbortController();
    this.#written = () => this.#closed && end.abort();
    const ms = (this.#originMs ?? 0) + atMs / speed - performance.now();
    await pause(Math.max(0, ms), undefined, { signal: end.signal }).catch(() => undefined);
    this.#written = undefined;
  }

  /** Waits until the host has sent these bytes. REPLAY_DIVERGED: it sends others. */
  async #expect(bytes: Uint8Array, atMs: number): Promise<void> {
    const { clock, held } = this.#parts;
    let idleSince = performance.now();
    let asked = false;
    const strange = this.#strange(bytes);
    for (let turns = 0; !this.#closed && !this.#has(bytes, atMs); turns++) {
      const sent = this.#sent.length;
      const idle = performance.now() - idleSince;
      const slack = idle > RESTING_MS && !strange ? SLACK_MS : 0;
      const until = idle > LOST_MS ? Number.POSITIVE_INFINITY : atMs + slack;
      if (turns < SETTLE_TURNS) await turn();
      else if ((clock.next ?? Number.POSITIVE_INFINITY) <= until) {
        clock.fire();
        turns = 0;
      } else if (!asked && idle > (strange ? RESTING_MS : IDLE_MS) && !held()) {
        asked = true;
        this.#ask(bytes);
      } else if (idle > LOST_MS && !held()) throw this.#differs(bytes, atMs);
      else await this.#quiet();
      if (sent !== this.#sent.length || held()) idleSince = performance.now();
    }
    this.#use(bytes, atMs);
  }

  #use(bytes: Uint8Array, atMs: number): void {
    this.#parts.clock.reach(atMs);
    this.#sent = this.#sent.subarray(bytes.length);
    for (const { header } of packetsOf(bytes)) {
      if (header.opcode !== Opcode.CHANNEL_READ || header.channel <= ChannelId.STREAM) continue;
      this.#pulling = true;
      this.#pulled ??= header.channel;
    }
  }

  /** Whether it is a request to a channel that frames do not come from: nothing that a timer would bring. */
  #strange(bytes: Uint8Array): boolean {
    const [packet] = packetsOf(bytes);
    if (!packet || this.#pulled === undefined || (packet.header.flags & Flag.ACK) !== 0) return false;
    return packet.header.channel > ChannelId.STREAM && packet.header.channel !== this.#pulled;
  }

  #has(bytes: Uint8Array, atMs: number): boolean {
    const there = Math.min(bytes.length, this.#sent.length);
    if (Buffer.compare(this.#sent.subarray(0, there), bytes.subarray(0, there)) === 0)
      return there === bytes.length;
    throw this.#differs(bytes, atMs);
  }

  /** Until the host writes, or for a moment. */
  async #quiet(): Promise<void> {
    const end = new AbortController();
    this.#written = () => end.abort();
    await pause(RESTING_MS / 2, undefined, { signal: end.signal }).catch(() => undefined);
    this.#written = undefined;
  }

  /** Makes the request that somebody else than the bridge made then, such as a change of settings. */
  #ask(bytes: Uint8Array): void {
    const [packet] = packetsOf(bytes);
    if (!packet || (packet.header.flags & Flag.ACK) !== 0 || !REPEATABLE.has(packet.header.opcode)) return;
    this.#host?.(packet.header, packet.payload);
  }

  #differs(bytes: Uint8Array, atMs: number): BridgeError {
    const words = new PacketWords();
    const [then, now] = [packetsOf(bytes), packetsOf(this.#sent)].map((packets) =>
      packets.map((packet) =>
        itemText(packet, words, 0)
          .replace(/^.*?-> /, '')
          .replace(/\s+/g, ' '),
      ),
    ) as [string[], string[]];
    const at = then.findIndex((text, index) => text !== now[index]);
    return new BridgeError(
      'REPLAY_DIVERGED',
      `The host does something else than when ${this.name} was recorded, ${(atMs / 1_000).toFixed(3)} s after its beginning: then it sent ${then[at] ?? 'other bytes'}, now ${now[at] ?? 'nothing'}. Run it with the options of that run; another version of this program may act otherwise.`,
      { context: { atMs } },
    );
  }
}

/** Lets everything run that waits for nothing but promises. */
async function promises(): Promise<void> {
  for (let turns = 0; turns < PROMISES; turns++) await undefined;
}

/** The packets of one write, which has whole ones: with checksums, or without where they are off. */
function packetsOf(bytes: Uint8Array, crc = true): WirePacket[] {
  const found: WirePacket[] = [];
  const packets = new WirePackets((item) => item.type === 'packet' && found.push(item), crc);
  packets.take({ atMs: 0, type: 'bytes', from: 'host', bytes });
  packets.finish();
  return found.length === 0 && crc ? packetsOf(bytes, false) : found;
}
