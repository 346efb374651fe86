/**
 * The requests under way, in the order in which the device answers them. The device handles requests one after the
 * other and has one counter: a request that is sent before the replies of those before it are complete gets the number
 * that it will have behind them, a packet more for each of their fragments. That is certain only for READs from a `readp`
 * backend (`ahead`), and with acks off.
 */
import type { PacketHeader } from '../protocol/index.js';
import type { Exchange } from './exchange.js';
import type { LinkRequest } from './link-types.js';
import { MAX_READ_FRAGMENTS } from './read-reply.js';

/** Packets of all replies that may be awaited at once: half of the numbers tell late from early. */
const MAX_PACKETS = 2 * MAX_READ_FRAGMENTS;

export class UnderWay {
  readonly #exchanges: Exchange[] = [];

  /** The one whose reply comes next. */
  get first(): Exchange | undefined {
    return this.#exchanges[0];
  }

  /** The one behind it. */
  get second(): Exchange | undefined {
    return this.#exchanges[1];
  }

  add(exchange: Exchange): void {
    this.#exchanges.push(exchange);
  }

  /** The first one is over. */
  shift(): void {
    this.#exchanges.shift();
  }

  /** None is under way any more. */
  clear(): Exchange[] {
    return this.#exchanges.splice(0);
  }

  /** Whether `request` is one of them. */
  has(request: LinkRequest): boolean {
    return this.#exchanges.some((exchange) => exchange.request === request);
  }

  /** Whether a request may follow those under way before they are answered. */
  admits(request: LinkRequest, maxPayload: number): boolean {
    const last = this.#exchanges.at(-1);
    if (!request.ahead || !last?.request.ahead) return false;
    let packets = Math.ceil((request.destination?.length ?? 1) / maxPayload);
    for (const exchange of this.#exchanges) packets += exchange.packets;
    return packets <= MAX_PACKETS;
  }

  /** The number of a request behind them; `free`: when there are none. */
  numberBehind(free: number): number {
    const last = this.#exchanges.at(-1);
    return last ? (last.header.sequence + last.packets) & 0xff : free;
  }

  /** The one that a packet belongs to, by its number; the only one in any case. */
  find({ sequence }: Readonly<PacketHeader>): Exchange | undefined {
    if (this.#exchanges.length < 2) return this.#exchanges[0];
    for (const exchange of this.#exchanges) if (exchange.includes(sequence)) return exchange;
    return undefined;
  }
}
