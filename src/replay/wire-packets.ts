/** Packets out of a recorded line, in both directions; what is damaged, and bytes that are no packet, are told as well. */
import {
  decodeCaps,
  Flag,
  MAX_PAYLOAD_FIELD,
  Opcode,
  type PacketHeader,
  packetSize,
  StreamDecoder,
} from '../protocol/index.js';
import type { Side, WireEntries, WireEntry } from './wire.js';

export interface WirePacket {
  readonly type: 'packet';
  /** Of its last byte. */
  readonly atMs: number;
  readonly from: Side;
  readonly header: Readonly<PacketHeader>;
  readonly payload: Uint8Array;
  /** As on the wire. */
  readonly bytes: Uint8Array;
  /** `damaged`: its header is good and its payload is not; `off`: checksums were negotiated off. */
  readonly crc: 'ok' | 'damaged' | 'off';
}

/** Bytes that belong to no packet. */
export interface WireNoise {
  readonly type: 'noise';
  readonly atMs: number;
  readonly from: Side;
  readonly bytes: Uint8Array;
}

export type WireItem = WirePacket | WireNoise | Exclude<WireEntry, { readonly type: 'bytes' }>;

interface Chunk {
  /** Offset of its first byte in all that this side sent. */
  readonly at: number;
  readonly atMs: number;
  readonly bytes: Uint8Array;
}

/** One direction. */
class SideReader {
  readonly decoder: StreamDecoder;
  readonly #from: Side;
  readonly #emit: (item: WirePacket | WireNoise) => void;
  #chunks: Chunk[] = [];
  #end = 0;
  /** Bytes of good packets. */
  #good = 0;
  /** All before it was told. */
  #told = 0;

  constructor(from: Side, emit: (item: WirePacket | WireNoise) => void) {
    this.#from = from;
    this.#emit = emit;
    this.decoder = new StreamDecoder(
      {
        packet: (header) => {
          const at = this.#position;
          this.#good += packetSize(header.length);
          this.#packet(header, at, this.decoder.crc ? 'ok' : 'off');
        },
        damaged: (header) => this.#packet(header, this.#position, 'damaged'),
      },
      MAX_PAYLOAD_FIELD,
    );
  }

  push(bytes: Uint8Array, atMs: number): void {
    this.#chunks.push({ at: this.#end, atMs, bytes });
    this.#end += bytes.length;
    this.decoder.push(bytes);
    this.#forget();
  }

  /** Nothing more comes: what is left of a packet that was cut off is searched. */
  finish(): void {
    while (this.decoder.inPacket) this.decoder.abandon();
    this.#noise(this.#end);
  }

  /** The decoder counts every byte once, in order: so this is where the packet at hand begins. */
  get #position(): number {
    return this.#good + this.decoder.stats.discardedBytes;
  }

  #packet(header: Readonly<PacketHeader>, at: number, crc: WirePacket['crc']): void {
    this.#noise(at);
    const end = at + packetSize(header.length);
    const bytes = this.#slice(at, end);
    this.#told = Math.max(this.#told, end);
    this.#emit({
      type: 'packet',
      atMs: this.#timeOf(end - 1),
      from: this.#from,
      header: { ...header },
      payload: bytes.subarray(10, 10 + header.length),
      bytes,
      crc,
    });
  }

  #noise(until: number): void {
    if (until <= this.#told) return;
    const bytes = this.#slice(this.#told, until);
    this.#told = until;
    this.#emit({ type: 'noise', atMs: this.#timeOf(until - 1), from: this.#from, bytes });
  }

  #slice(from: number, to: number): Uint8Array {
    const parts = this.#chunks.flatMap(({ at, bytes }) =>
      at + bytes.length <= from || at >= to ? [] : [bytes.subarray(Math.max(0, from - at), to - at)],
    );
    return Uint8Array.from(Buffer.concat(parts));
  }

  #timeOf(offset: number): number {
    const chunk = this.#chunks.find(({ at, bytes }) => offset < at + bytes.length) ?? this.#chunks.at(-1);
    return chunk?.atMs ?? 0;
  }

  /** Bytes that no packet to come can have in it. */
  #forget(): void {
    const position = Math.min(this.#position, this.#told);
    while (this.#chunks[0] && this.#chunks[0].at + this.#chunks[0].bytes.length <= position)
      this.#chunks.shift();
  }
}

/** Takes entries; gives items in the order in which their last bytes came. */
export class WirePackets {
  readonly #emit: (item: WireItem) => void;
  #sides: Readonly<Record<Side, SideReader>>;
  /** Asked for by SET_CAPS, until the camera agrees. */
  #crcAsked: boolean | undefined;

  /** `crc`: whether packets have checksums at the beginning. */
  constructor(emit: (item: WireItem) => void, crc = true) {
    this.#emit = emit;
    this.#sides = this.#begin();
    this.#crc(crc);
  }

  take(entry: WireEntry): void {
    if (entry.type === 'bytes') {
      this.#sides[entry.from].push(entry.bytes, entry.atMs);
      return;
    }
    this.finish();
    this.#emit(entry);
  }

  /** Nothing more comes on this line. */
  finish(): void {
    this.#sides.host.finish();
    this.#sides.camera.finish();
    this.#sides = this.#begin();
  }

  #begin(): Record<Side, SideReader> {
    const reader = (from: Side): SideReader =>
      new SideReader(from, (item) => {
        if (item.type === 'packet' && item.crc !== 'damaged') this.#follow(item);
        this.#emit(item);
      });
    return { host: reader('host'), camera: reader('camera') };
  }

  /** Whether packets have checksums is agreed on along the line. */
  #follow({ from, header, payload }: WirePacket): void {
    const { opcode, flags } = header;
    if (from === 'host' && opcode === Opcode.PROTO_SYNC) this.#crc(true);
    else if (opcode !== Opcode.PROTO_SET_CAPS) return;
    else if (from === 'host' && payload.length > 0) this.#crcAsked = decodeCaps(payload).crc;
    else if (from === 'camera' && (flags & Flag.NAK) === 0) this.#crc(this.#crcAsked ?? true);
  }

  #crc(on: boolean): void {
    this.#sides.host.decoder.crc = on;
    this.#sides.camera.decoder.crc = on;
  }
}

/** The items of a recording. */
export async function* wireItems(entries: WireEntries): AsyncGenerator<WireItem> {
  let items: WireItem[] = [];
  const packets = new WirePackets((item) => items.push(item));
  const taken = (): WireItem[] => {
    const now = items;
    items = [];
    return now;
  };
  for await (const entry of entries) {
    packets.take(entry);
    yield* taken();
  }
  packets.finish();
  yield* taken();
}
