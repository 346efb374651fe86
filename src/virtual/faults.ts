/**
 * Faults on the line between a virtual camera and its host: packets that vanish, arrive damaged, twice, late or
 * out of order, and lines that break. Applied per packet and direction, decided by a seeded generator, so that the
 * same packets meet the same faults in every run.
 */
import {
  Flag,
  HEADER_SIZE,
  Opcode,
  PACKET_OVERHEAD,
  SYNC_BYTE_0,
  SYNC_BYTE_1,
} from '../protocol/constants.js';
import { packetSize } from '../protocol/packet.js';
import { type BreakKind, FAULT_KINDS, type FaultKind, type FaultOptions } from './fault-options.js';
import { mulberry32 } from './prng.js';

export type FaultDirection = 'to-host' | 'to-camera';

/** What happened to the packets of one direction since the camera was opened. */
export type FaultCounts = { -readonly [K in FaultKind | 'packets']: number };

export interface InjectedFaults {
  readonly toHost: Readonly<FaultCounts>;
  readonly toCamera: Readonly<FaultCounts>;
}

/** Bytes are valid only during the call; they, and all behind them, are to come `lateMs` later. */
export type Emit = (bytes: Uint8Array, lateMs?: number) => void;

/** Shared by both directions: faults begin only when a host has got through its connection. */
interface Arming {
  armed: boolean;
  /** A packet met a fault that breaks the line. */
  broken?(kind: BreakKind): void;
}

const LONGEST_PACKET = 0xffff + PACKET_OVERHEAD;
const LONGEST_GARBAGE = 64;

/** No packet and no fault yet. */
export function noFaults(): FaultCounts {
  return Object.fromEntries(['packets', ...FAULT_KINDS].map((kind) => [kind, 0])) as FaultCounts;
}

/** One direction. It sees the bytes before anything has damaged them, so their headers can be believed. */
export class FaultyLine {
  /** `packets` counts those that could have been hit. */
  readonly counts: FaultCounts = noFaults();

  readonly #options: FaultOptions;
  readonly #direction: FaultDirection;
  readonly #arming: Arming;
  readonly #random: () => number;
  readonly #held = new Uint8Array(LONGEST_PACKET);
  #length = 0;
  /** An event that is to come behind the next packet. */
  #overtaken: Uint8Array | undefined;

  constructor(options: FaultOptions, direction: FaultDirection, arming: Arming = { armed: true }) {
    this.#options = options;
    this.#direction = direction;
    this.#arming = arming;
    // Each direction draws from its own sequence: how their packets interleave does not change anything.
    this.#random = mulberry32((options.seed ^ (direction === 'to-host' ? 0x5bd1e995 : 0)) >>> 0);
  }

  /** Forgets a packet that has not come to its end. */
  reset(): void {
    this.#length = 0;
    this.#overtaken = undefined;
  }

  /** Takes bytes in any chunking; emits those of whole packets, perhaps damaged. */
  push(bytes: Uint8Array, emit: Emit): void {
    let at = 0;
    while (at < bytes.length) {
      const wanted = this.#length < HEADER_SIZE ? HEADER_SIZE : this.#packetSize();
      const take = Math.min(wanted - this.#length, bytes.length - at);
      this.#held.set(bytes.subarray(at, at + take), this.#length);
      this.#length += take;
      at += take;
      this.#passOn(emit);
    }
  }

  /** Emits what is at the front of the held bytes and complete. */
  #passOn(emit: Emit): void {
    const held = this.#held;
    const start = this.#syncWord();
    if (start > 0) {
      emit(held.subarray(0, start));
      held.copyWithin(0, start, this.#length);
      this.#length -= start;
    }
    if (this.#length < HEADER_SIZE || this.#length < this.#packetSize()) return;
    const packet = held.subarray(0, this.#length);
    this.#length = 0;
    if (this.#direction === 'to-camera' && isChannelRequest(packet)) this.#arming.armed = true;
    this.#damage(packet, emit);
  }

  #damage(packet: Uint8Array, emit: Emit): void {
    const { direction } = this.#options;
    if (!this.#arming.armed || (direction !== 'both' && direction !== this.#direction)) {
      emit(packet);
      return;
    }
    this.counts.packets++;
    const overtaken = this.#overtaken;
    this.#overtaken = undefined;
    const kind = this.#choose();
    const applies = kind !== 'reorder' || (isEvent(packet) && overtaken === undefined);
    if (kind !== undefined && applies) {
      this.counts[kind]++;
      this.#apply(kind, packet, emit);
    } else {
      emit(packet);
    }
    if (overtaken) emit(overtaken);
  }

  #apply(kind: FaultKind, packet: Uint8Array, emit: Emit): void {
    const { delayMs, stallMs } = this.#options;
    switch (kind) {
      case 'flip': {
        const bit = Math.floor(this.#random() * packet.length * 8);
        packet[bit >>> 3]! ^= 1 << (bit & 7);
        emit(packet);
        break;
      }
      case 'cut':
        emit(packet.subarray(0, 1 + Math.floor(this.#random() * (packet.length - 1))));
        break;
      case 'double':
        emit(packet);
        emit(packet);
        break;
      case 'garbage':
        emit(
          Uint8Array.from(
            { length: 1 + Math.floor(this.#random() * LONGEST_GARBAGE) },
            () => this.#random() * 256,
          ),
        );
        emit(packet);
        break;
      case 'reorder':
        this.#overtaken = packet.slice();
        break;
      case 'delay':
        emit(packet, delayMs);
        break;
      case 'stall':
        emit(packet, stallMs);
        break;
      case 'hangup':
      case 'reboot':
        this.#arming.broken?.(kind);
        break;
      case 'drop':
        break;
    }
  }

  #choose(): FaultKind | undefined {
    let point = this.#random();
    for (const kind of FAULT_KINDS) {
      if (point < this.#options[kind]) return kind;
      point -= this.#options[kind];
    }
    return undefined;
  }

  /** Where the first packet may begin: everything before it is passed on as it is. */
  #syncWord(): number {
    const held = this.#held;
    for (let at = 0; at < this.#length; at++) {
      if (held[at] === SYNC_BYTE_0 && (at + 1 === this.#length || held[at + 1] === SYNC_BYTE_1)) return at;
    }
    return this.#length;
  }

  #packetSize(): number {
    return packetSize(this.#held[6]! | (this.#held[7]! << 8));
  }
}

/** Both directions of one line. */
export class LineFaults {
  readonly toHost: FaultyLine;
  readonly toCamera: FaultyLine;
  readonly options: FaultOptions;
  readonly #arming: Arming;

  /** `broken` is told of faults that break the line; it must not break it before it has returned. */
  constructor(options: FaultOptions, broken: (kind: BreakKind) => void = () => undefined) {
    this.options = options;
    this.#arming = { armed: false, broken };
    this.toHost = new FaultyLine(options, 'to-host', this.#arming);
    this.toCamera = new FaultyLine(options, 'to-camera', this.#arming);
  }

  get injected(): InjectedFaults {
    return { toHost: { ...this.toHost.counts }, toCamera: { ...this.toCamera.counts } };
  }

  /** A new host: it may connect undisturbed; faults begin with its first CHANNEL_* request. */
  disarm(): void {
    this.#arming.armed = false;
    this.toHost.reset();
    this.toCamera.reset();
  }
}

function isChannelRequest(packet: Uint8Array): boolean {
  return packet[5]! >= Opcode.CHANNEL_LIST && packet[5]! <= Opcode.CHANNEL_EVENT;
}

const isEvent = (packet: Uint8Array): boolean => (packet[4]! & Flag.EVENT) !== 0;
