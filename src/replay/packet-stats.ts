/** What went over a line, in figures. */
import { Flag, opcodeName } from '../protocol/index.js';
import { Times } from '../times.js';
import { troubleOf } from './packet-words.js';
import type { Side } from './wire.js';
import type { WireItem, WirePacket } from './wire-packets.js';

export interface OpcodeStats {
  packets: number;
  bytes: number;
}

export class PacketStats {
  #firstMs: number | undefined;
  #lastMs = 0;
  readonly #opcodes = new Map<string, Record<Side, OpcodeStats>>();
  readonly #sides: Record<Side, OpcodeStats> = { host: nothing(), camera: nothing() };
  readonly #trouble = { noise: 0, damaged: 0, nak: 0, repeated: 0, broken: 0 };
  #noiseBytes = 0;
  /** The last request, until its reply begins to come. */
  #asked: WirePacket | undefined;
  readonly #answers = new Times();

  take(item: WireItem): void {
    this.#firstMs ??= item.atMs;
    this.#lastMs = item.atMs;
    const trouble = troubleOf(item);
    if (trouble) this.#trouble[trouble]++;
    if (item.type === 'noise') this.#noiseBytes += item.bytes.length;
    if (item.type === 'packet' && item.crc !== 'damaged') this.#packet(item);
  }

  #packet(packet: WirePacket): void {
    const { from, header, bytes } = packet;
    const name = opcodeName(header.opcode);
    const both = this.#opcodes.get(name) ?? { host: nothing(), camera: nothing() };
    this.#opcodes.set(name, both);
    for (const one of [both[from], this.#sides[from]]) {
      one.packets++;
      one.bytes += bytes.length;
    }
    const { opcode, channel, flags } = header;
    if (from === 'host') {
      if ((flags & Flag.ACK) === 0) this.#asked = packet;
    } else if ((flags & Flag.EVENT) === 0 && this.#asked) {
      const { header: asked, atMs } = this.#asked;
      if (asked.opcode === opcode && asked.channel === channel) this.#answers.add(packet.atMs - atMs);
      this.#asked = undefined;
    }
  }

  /** The figures; times in milliseconds, `null` where there was no answer. */
  result() {
    const none = { p50: null, p99: null, max: null };
    const { p50, p99, max } = this.#answers.percentiles ?? none;
    return {
      durationMs: this.#lastMs - (this.#firstMs ?? 0),
      host: this.#sides.host,
      camera: this.#sides.camera,
      opcodes: Object.fromEntries(this.#opcodes),
      ...this.#trouble,
      noiseBytes: this.#noiseBytes,
      answerMs: { p50, p99, max },
    };
  }
}

export type PacketFigures = ReturnType<PacketStats['result']>;

const nothing = (): OpcodeStats => ({ packets: 0, bytes: 0 });

/** The figures for people. */
export function figuresText(figures: PacketFigures): string {
  const { durationMs, host, camera, opcodes, answerMs } = figures;
  const row = (name: string, sent: OpcodeStats, heard: OpcodeStats): string =>
    [
      name.padEnd(16),
      ...[sent.packets, sent.bytes, heard.packets, heard.bytes].map((value) => String(value).padStart(12)),
    ].join('');
  const ms = (value: number | null): string => (value === null ? '-' : `${value.toFixed(2)} ms`);
  return [
    `${(durationMs / 1_000).toFixed(3)} s`,
    `${''.padEnd(16)}${['host packets', 'bytes', 'camera pkts', 'bytes'].map((name) => name.padStart(12)).join('')}`,
    ...Object.entries(opcodes).map(([name, sides]) => row(name, sides.host, sides.camera)),
    row('all', host, camera),
    `damaged ${figures.damaged}, refused ${figures.nak}, repeated ${figures.repeated}, bytes outside packets ${figures.noiseBytes}, lines broken ${figures.broken}`,
    `first packet of an answer after: half ${ms(answerMs.p50)}, 99 % ${ms(answerMs.p99)}, longest ${ms(answerMs.max)}`,
  ].join('\n');
}
