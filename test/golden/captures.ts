/**
 * Recordings of the vendor's own device code (its C protocol stack and its frame-channel script, built for Linux)
 * talking to the vendor's Python host over a pty. One JSON object a line, compressed with Brotli: `ms` since the
 * start, `from` camera or host, `hex` the bytes of one read. Chunks are as they came, not packets.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';
import { type DecoderStats, StreamDecoder } from '../../src/protocol/decoder.js';
import { encodePacket, type PacketHeader } from '../../src/protocol/packet.js';

export type Side = 'host' | 'camera';

export interface CapturedPacket {
  readonly from: Side;
  readonly header: PacketHeader;
  readonly payload: Uint8Array;
  /** The packet as it was on the wire. */
  readonly bytes: Uint8Array;
  /** Milliseconds since the recording began, of its last byte. */
  readonly ms: number;
}

export interface Capture {
  /** Of both sides, in the order of their last bytes. */
  readonly packets: readonly CapturedPacket[];
  /** All bytes of each side. */
  readonly bytes: Readonly<Record<Side, Uint8Array>>;
  readonly stats: Readonly<Record<Side, DecoderStats>>;
}

const loaded = new Map<string, Capture>();

export function loadCapture(name: string): Capture {
  const capture = loaded.get(name) ?? decodeCapture(name);
  loaded.set(name, capture);
  return capture;
}

/** The lines of a recording in this folder. */
export function readRecording(name: string): string[] {
  const compressed = readFileSync(resolve(import.meta.dirname, `${name}.jsonl.br`));
  return brotliDecompressSync(compressed).toString('utf8').trimEnd().split('\n');
}

function decodeCapture(name: string): Capture {
  const lines = readRecording(name);
  const packets: CapturedPacket[] = [];
  const chunks: Record<Side, Buffer[]> = { host: [], camera: [] };
  let ms = 0;
  const decoder = (from: Side): StreamDecoder =>
    new StreamDecoder(
      {
        packet: (header, { buffer, offset }) => {
          const payload = buffer.slice(offset, offset + header.length);
          packets.push({ from, header: { ...header }, payload, bytes: encodePacket(header, payload), ms });
        },
      },
      4_082,
    );
  const decoders: Record<Side, StreamDecoder> = { host: decoder('host'), camera: decoder('camera') };
  for (const line of lines) {
    const chunk: { ms: number; from: Side; hex: string } = JSON.parse(line);
    const bytes = Buffer.from(chunk.hex, 'hex');
    ({ ms } = chunk);
    chunks[chunk.from].push(bytes);
    decoders[chunk.from].push(bytes);
  }
  return {
    packets,
    bytes: { host: Buffer.concat(chunks.host), camera: Buffer.concat(chunks.camera) },
    stats: { host: decoders.host.stats, camera: decoders.camera.stats },
  };
}

/** Everything recorded, by file name. */
export const CAPTURES = [
  // Connecting, and six frames of about 25 KB, at a payload of 4,082 bytes.
  'acks-on',
  'acks-off',
  // Three frames, at a payload of 498 bytes.
  'small-payload-acks-on',
  // Four frames, while 5 % of the camera's packets have a bit flipped and 3 % are dropped.
  'damaged-acks-on',
  // A script stopped, another uploaded and run, a soft reboot, its output read.
  'exec-and-stdout',
] as const;

export type CaptureName = (typeof CAPTURES)[number];

/** How many frames were read in each. */
export const FRAMES: Readonly<Record<CaptureName, number>> = {
  'acks-on': 6,
  'acks-off': 6,
  'small-payload-acks-on': 3,
  'damaged-acks-on': 4,
  'exec-and-stdout': 0,
};
