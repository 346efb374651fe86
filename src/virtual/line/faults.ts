/**
 * Faults on the line between a virtual camera and its host: packets that vanish, arrive damaged, twice, late or
 * out of order, and lines that break. Applied per packet and direction, as a plan decides (fault-plan.ts), so that
 * the same packets meet the same faults in every run.
 */
import {
  Flag,
  HEADER_SIZE,
  Opcode,
  PACKET_OVERHEAD,
  packetSize,
  SYNC_BYTE_0,
  SYNC_BYTE_1,
} from '../../protocol/index.js';
import { type BreakKind, FAULT_KINDS, type FaultKind, type FaultOptions } from './fault-options.js';
import {
  type Fault,
  type FaultDirection,
  type FaultPlan,
  type FaultRecording,
  recordedPlan,
  seededPlan,
} from './fault-plan.js';

export type { FaultDirection } from './fault-plan.js';

/** Faults by chance, or those of a log. */
export type LineFaultSource = FaultOptions | FaultRecording;

/** What happened to the packets of one direction since the camera was opened. */
export type FaultCounts = { -readonly [K in FaultKind | 'packets']: number };

export interface InjectedFaults {
  readonly toHost: Readonly<FaultCounts>;
  readonly toCamera: Readonly<FaultCounts>;
}

/** Bytes are valid only during the call; they, and all behind them, are to come `lateMs` later. */
export type Emit = (bytes: Uint8Array, lateMs?: number) => void;

/** A packet met a fault. */
export interface InjectedFault {
  readonly direction: FaultDirection;
  /** How many packets could have been hit in each direction so far, this one included. */
  readonly packets: { readonly toHost: number; readonly toCamera: number };
  readonly fault: Fault;
  /** The packet, as its header describes it. */
  readonly packet: { readonly opcode: number; readonly sequence: number; readonly bytes: number };
}

export interface LineFaultHandlers {
  /** A packet met a fault that breaks the line, which must not be broken before this has returned. */
  broken?(kind: BreakKind): void;
  injected?(fault: InjectedFault): void;
}

/** Shared by both directions: faults begin only when a host has got through its connection. */
interface Arming {
  armed: boolean;
  broken?(kind: BreakKind): void;
  injected?(direction: FaultDirection, fault: Fault, packet: Uint8Array): void;
}

const LONGEST_PACKET = 0xffff + PACKET_OVERHEAD;

/** No packet and no fault yet. */
export function noFaults(): FaultCounts {
  return Object.fromEntries(['packets', ...FAULT_KINDS].map((kind) => [kind, 0])) as FaultCounts;
}

/** One direction. It sees the bytes before anything has damaged them, so their headers can be believed. */
export class FaultyLine {
  /** `packets` counts those that could have been hit. */
  readonly counts: FaultCounts = noFaults();

  /** Undefined: this direction has no faults. */
  readonly #plan: FaultPlan | undefined;
  readonly #direction: FaultDirection;
  readonly #arming: Arming;
  readonly #held = new Uint8Array(LONGEST_PACKET);
  #length = 0;
  /** An event that is to come behind the next packet. */
  #overtaken: Uint8Array | undefined;

  constructor(source: LineFaultSource, direction: FaultDirection, arming: Arming = { armed: true }) {
    this.#plan = 'toHost' in source ? recordedPlan(source, direction) : seededPlan(source, direction);
    this.#direction = direction;
    this.#arming = arming;
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
    if (!this.#arming.armed || !this.#plan) {
      emit(packet);
      return;
    }
    this.counts.packets++;
    const overtaken = this.#overtaken;
    this.#overtaken = undefined;
    const fault = this.#plan(this.counts.packets, packet.length);
    const applies = fault?.kind !== 'reorder' || (isEvent(packet) && overtaken === undefined);
    if (fault !== undefined && applies) {
      this.counts[fault.kind]++;
      this.#arming.injected?.(this.#direction, fault, packet);
      this.#apply(fault, packet, emit);
    } else {
      emit(packet);
    }
    if (overtaken) emit(overtaken);
  }

  #apply(fault: Fault, packet: Uint8Array, emit: Emit): void {
    switch (fault.kind) {
      case 'flip':
        packet[fault.bit >>> 3]! ^= 1 << (fault.bit & 7);
        emit(packet);
        break;
      case 'cut':
        emit(packet.subarray(0, fault.kept));
        break;
      case 'double':
        emit(packet);
        emit(packet);
        break;
      case 'garbage':
        emit(Buffer.from(fault.bytes, 'hex'));
        emit(packet);
        break;
      case 'reorder':
        this.#overtaken = packet.slice();
        break;
      case 'delay':
      case 'stall':
        emit(packet, fault.ms);
        break;
      case 'hangup':
      case 'reboot':
        this.#arming.broken?.(fault.kind);
        break;
      case 'drop':
        break;
    }
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
  /** Bytes a second that each direction carries at most; 0: any number. */
  readonly throttle: number;
  readonly #arming: Arming;

  constructor(source: LineFaultSource, { broken, injected }: LineFaultHandlers = {}) {
    this.throttle = source.throttle;
    this.#arming = {
      armed: false,
      ...(broken && { broken }),
      ...(injected && {
        injected: (direction, fault, packet) => {
          injected({ direction, fault, packets: this.packets, packet: describe(packet) });
        },
      }),
    };
    this.toHost = new FaultyLine(source, 'to-host', this.#arming);
    this.toCamera = new FaultyLine(source, 'to-camera', this.#arming);
  }

  /** How many packets could have been hit in each direction so far. */
  get packets(): InjectedFault['packets'] {
    return { toHost: this.toHost.counts.packets, toCamera: this.toCamera.counts.packets };
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

function describe(packet: Uint8Array): InjectedFault['packet'] {
  return { opcode: packet[5]!, sequence: packet[2]!, bytes: packet.length };
}

function isChannelRequest(packet: Uint8Array): boolean {
  return packet[5]! >= Opcode.CHANNEL_LIST && packet[5]! <= Opcode.CHANNEL_EVENT;
}

const isEvent = (packet: Uint8Array): boolean => (packet[4]! & Flag.EVENT) !== 0;
