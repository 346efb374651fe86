/**
 * A host machine and a device machine on one line and one clock, both virtual: seconds of waiting cost nothing, and
 * a seed repeats a run exactly. Packets take `latencyMs`, keep their order, and meet what `faults` or `tamper` do to
 * them. Checks by itself, at every step, that no request is settled twice and that no machine asks to be called
 * again without an end.
 */

import { HostLink } from '../../src/link/host-link.js';
import type { HostLinkOptions, LinkOutcome, LinkRequest, LossReason } from '../../src/link/link-types.js';
import { Opcode } from '../../src/protocol/constants.js';
import { type Capabilities, encodeIoRequest } from '../../src/protocol/index.js';
import { DeviceLink } from '../../src/virtual/device/device-link.js';
import { damage, type LineFaults } from './line-faults.js';
import { Random } from './random.js';
import { testIdentity } from './test-identity.js';

export type Direction = 'toDevice' | 'toHost';

/** Given each packet before it is sent; what it returns arrives instead, piece by piece. undefined: as it is. */
export type Tamper = (packet: Uint8Array, direction: Direction, index: number) => Uint8Array[] | undefined;

export interface VirtualLineOptions {
  wanted?: Partial<Capabilities>;
  hostOptions?: Partial<HostLinkOptions>;
  /** Largest payload of the device's buffer. */
  devicePayload?: number;
  /** What SYS_RESET and SYS_BOOT do. */
  onReset?: (kind: 'reset' | 'bootloader') => void;
  /** Called after an event, or that the host is ready, has been noted. */
  onEvent?: () => void;
  onReady?: () => void;
  latencyMs?: number;
  seed?: number;
  faults?: Partial<Record<Direction, LineFaults>>;
  tamper?: Tamper;
  /** Chunks are cut into pieces of at most this many bytes. */
  pieces?: number;
}

/** A request and how it ended. */
export interface Pending {
  readonly request: LinkRequest;
  outcome: LinkOutcome | undefined;
  /** The destination's bytes at that moment. */
  settledBytes: Uint8Array | undefined;
}

interface Delivery {
  readonly at: number;
  readonly direction: Direction;
  readonly bytes: Uint8Array;
}

export class VirtualLine {
  readonly host: HostLink;
  readonly device: DeviceLink;
  readonly random: Random;
  now = 0;
  faults: Partial<Record<Direction, LineFaults>>;
  tamper: Tamper | undefined;
  /** Everything sent, before faults. */
  readonly sent: { direction: Direction; packet: Uint8Array; at: number }[] = [];
  readonly events: [channel: number, event: number][] = [];
  readonly readies: (LossReason | undefined)[] = [];
  readonly requests: Pending[] = [];
  failure: Error | undefined;
  keepSent = true;

  readonly #latency: number;
  readonly #pieces: number;
  readonly #deliveries: Delivery[] = [];
  readonly #timers: { at: number; call: () => void }[] = [];
  readonly #counts = { toDevice: 0, toHost: 0 };

  constructor(options: VirtualLineOptions = {}) {
    this.random = new Random(options.seed ?? 1);
    this.faults = options.faults ?? {};
    this.tamper = options.tamper;
    this.#latency = options.latencyMs ?? 0.2;
    this.#pieces = options.pieces ?? Number.POSITIVE_INFINITY;
    const wanted = {
      crc: true,
      sequence: true,
      ack: true,
      events: true,
      maxPayload: 4082,
      ...options.wanted,
    };
    this.host = new HostLink(
      { wanted, ...options.hostOptions },
      {
        transmit: (bytes) => this.#send('toDevice', bytes),
        event: (channel, event) => {
          this.events.push([channel, event]);
          options.onEvent?.();
        },
        ready: (_caps, reason) => {
          this.readies.push(reason);
          options.onReady?.();
        },
        failed: (error) => {
          this.failure = error;
        },
      },
    );
    this.device = new DeviceLink({
      identity: testIdentity(options.onReset),
      maxPayload: options.devicePayload ?? 4082,
      transmit: (packet) => this.#send('toHost', packet),
    });
  }

  /** Brings the host up; throws unless it gets ready. */
  connect(): this {
    this.host.connect(this.now);
    this.run(() => this.host.state === 'ready' || this.host.state === 'failed');
    if (this.host.state !== 'ready') throw this.failure ?? new Error(`the host is ${this.host.state}`);
    return this;
  }

  submit(request: Partial<LinkRequest> & { opcode: number }): Pending {
    const pending: Pending = {
      request: {
        channel: 0,
        payload: new Uint8Array(0),
        attempts: 1,
        ...request,
        settle: (outcome) => {
          if (pending.outcome) throw new Error('a request was settled twice');
          pending.outcome = outcome;
          pending.settledBytes = request.destination?.slice();
          request.settle?.(outcome);
        },
      },
      outcome: undefined,
      settledBytes: undefined,
    };
    this.requests.push(pending);
    this.host.submit(pending.request, this.now);
    return pending;
  }

  /** Submits and runs until it is settled. */
  ask(request: Partial<LinkRequest> & { opcode: number }): LinkOutcome {
    const pending = this.submit(request);
    this.run(() => pending.outcome !== undefined);
    return pending.outcome!;
  }

  /** A READ into a buffer of its own. */
  read(
    channel: number,
    offset: number,
    length: number,
    attempts = 1,
  ): { outcome: LinkOutcome; bytes: Uint8Array } {
    const destination = new Uint8Array(length);
    const payload = encodeIoRequest(offset, length);
    const outcome = this.ask({ opcode: Opcode.CHANNEL_READ, channel, payload, destination, attempts });
    return { outcome, bytes: destination };
  }

  at(ms: number, call: () => void): void {
    this.#timers.push({ at: ms, call });
    this.#timers.sort((a, b) => a.at - b.at);
  }

  /** Puts bytes on the line as they are. */
  inject(direction: Direction, bytes: Uint8Array): void {
    this.#deliver(direction, bytes.slice());
  }

  /** Runs until `done`, or until nothing is left to happen when there is no `done`. Throws after `limitMs`. */
  run(done?: () => boolean, limitMs = 120_000): void {
    const end = this.now + limitMs;
    for (let steps = 0; !done?.(); steps++) {
      const next = this.#nextTime();
      if (next === undefined) {
        if (done) throw new Error(`nothing left to happen; the host is ${this.host.state}`);
        return;
      }
      if (next > end) throw new Error(`not done after ${limitMs} ms; the host is ${this.host.state}`);
      if (steps > 5_000_000) throw new Error('endless');
      this.now = Math.max(this.now, next);
      this.#step();
    }
  }

  /** Runs for a time, whatever happens. */
  runFor(ms: number): void {
    let over = false;
    this.at(this.now + ms, () => {
      over = true;
    });
    this.run(() => over, ms + 1);
  }

  /** Runs until nothing moves any more, and says what is not as it must be at the end of any run. */
  problems(): string[] {
    this.run();
    const list: string[] = [];
    for (const { request, outcome, settledBytes } of this.requests) {
      if (!outcome) list.push(`a request of opcode ${request.opcode} was never settled`);
      const { destination } = request;
      if (destination && settledBytes && Buffer.compare(destination, settledBytes) !== 0) {
        list.push('a destination was written to after its request had been settled');
      }
    }
    if (this.host.state === 'ready' && this.host.deadline() !== undefined) list.push('the host is not idle');
    if (this.device.busy) list.push('the device waits for an acknowledgement');
    return list;
  }

  #nextTime(): number | undefined {
    const times = [
      this.#deliveries[0]?.at,
      this.#timers[0]?.at,
      this.host.deadline(),
      this.device.deadline(),
    ].filter((time) => time !== undefined);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  #step(): void {
    const { now } = this;
    if (this.#timers[0] && this.#timers[0].at <= now) {
      this.#timers.shift()!.call();
    } else if (this.#deliveries[0] && this.#deliveries[0].at <= now) {
      const { direction, bytes } = this.#deliveries.shift()!;
      this.#receive(direction, bytes);
    } else if ((this.host.deadline() ?? Number.POSITIVE_INFINITY) <= now) {
      this.host.tick(now);
      const deadline = this.host.deadline();
      if (deadline !== undefined && deadline <= now)
        throw new Error('the host asks to be called without an end');
    } else {
      this.device.tick(now);
      const deadline = this.device.deadline();
      if (deadline !== undefined && deadline <= now)
        throw new Error('the device asks to be called without an end');
    }
  }

  #receive(direction: Direction, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const size = Number.isFinite(this.#pieces) ? 1 + this.random.below(this.#pieces) : bytes.length;
      const piece = bytes.subarray(at, at + size);
      if (direction === 'toHost') this.host.receive(piece, this.now);
      else this.device.receive(piece, this.now);
      at += size;
    }
  }

  #send(direction: Direction, bytes: Uint8Array): void {
    const packet = bytes.slice();
    if (this.keepSent) this.sent.push({ direction, packet, at: this.now });
    const index = this.#counts[direction]++;
    const faults = this.faults[direction];
    const pieces =
      this.tamper?.(packet, direction, index) ?? (faults ? damage(packet, faults, this.random) : [packet]);
    for (const piece of pieces) this.#deliver(direction, piece);
  }

  #deliver(direction: Direction, bytes: Uint8Array): void {
    if (bytes.length > 0) this.#deliveries.push({ at: this.now + this.#latency, direction, bytes });
  }
}
