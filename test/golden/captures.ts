/**
 * Recordings of the vendor's own device code talking to the vendor's host. They are not part of the package: where
 * their folder is absent the tests that need it are skipped by name.
 */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { type DecoderStats, StreamDecoder } from '../../src/protocol/decoder.js';
import { encodePacket, type PacketHeader } from '../../src/protocol/packet.js';

const FOLDER = resolve(import.meta.dirname, '../../../shared/captures');

export const capturesPresent = existsSync(FOLDER);

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

/** To be called from within tests: a skipped suite's own body runs all the same. */
export function loadCapture(name: string): Capture {
  const capture = loaded.get(name) ?? decodeCapture(name);
  loaded.set(name, capture);
  return capture;
}

function decodeCapture(name: string): Capture {
  const lines = readFileSync(resolve(FOLDER, `${name}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n');
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
  'acks-on',
  'acks-off',
  'small-payload-acks-on',
  'damaged-acks-on',
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
