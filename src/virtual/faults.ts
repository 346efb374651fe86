/**
 * Faults on the line between a virtual camera and its host: packets that vanish, arrive with a wrong bit or
 * without their end. Applied per packet and direction, decided by a seeded generator, so that the same packets
 * meet the same faults in every run.
 */
import { HEADER_SIZE, Opcode, PACKET_OVERHEAD, SYNC_BYTE_0, SYNC_BYTE_1 } from '../protocol/constants.js';
import { packetSize } from '../protocol/packet.js';
import { FAULT_KINDS, type FaultKind, type FaultOptions } from './fault-options.js';
import { mulberry32 } from './prng.js';

export type FaultDirection = 'to-host' | 'to-camera';

/** What happened to the packets of one direction since the camera was opened. */
export type FaultCounts = { -readonly [K in FaultKind | 'packets']: number };

export interface InjectedFaults {
  readonly toHost: Readonly<FaultCounts>;
  readonly toCamera: Readonly<FaultCounts>;
}

/** Bytes are valid only during the call. */
export type Emit = (bytes: Uint8Array) => void;

/** Shared by both directions: faults begin only when a host has got through its connection. */
interface Arming {
  armed: boolean;
}

const LONGEST_PACKET = 0xffff + PACKET_OVERHEAD;

/** One direction. It sees the bytes before anything has damaged them, so their headers can be believed. */
export class FaultyLine {
  /** `packets` counts those that could have been hit. */
  readonly counts: FaultCounts = { packets: 0, drop: 0, flip: 0, cut: 0 };

  readonly #options: FaultOptions;
  readonly #direction: FaultDirection;
  readonly #arming: Arming;
  readonly #random: () => number;
  readonly #held = new Uint8Array(LONGEST_PACKET);
  #length = 0;

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
    const kind = this.#choose();
    if (kind !== undefined) this.counts[kind]++;
    if (kind === 'flip') {
      const bit = Math.floor(this.#random() * packet.length * 8);
      packet[bit >>> 3]! ^= 1 << (bit & 7);
    }
    if (kind === 'cut') emit(packet.subarray(0, 1 + Math.floor(this.#random() * (packet.length - 1))));
    else if (kind !== 'drop') emit(packet);
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
  readonly #arming: Arming = { armed: false };

  constructor(options: FaultOptions) {
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
