/**
 * Raw requests to the vendor's own device code, and what it answered: some 2,200 cases. Each begins with SYNC and a
 * SET_CAPS; events are left out. The camera runs raw-requests.py.
 */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

/** A packet in hexadecimal, or a long one by its header, payload length and payload CRC. */
export type RawPacket =
  | string
  | { readonly header: string; readonly payloadBytes: number; readonly payloadCrc: string };

export interface RawCase {
  readonly name: string;
  /** Payload of the SET_CAPS that follows SYNC. */
  readonly caps: string;
  /** Bytes sent one after the other, in hexadecimal; a wait. */
  readonly steps: readonly (string | { readonly waitMs: number })[];
  /** For each step the packets that came. */
  readonly replies: readonly (readonly RawPacket[])[];
}

const file = (name: string): Buffer => readFileSync(resolve(import.meta.dirname, name));

/** The script behind the cases. */
export const rawRequestsScript = resolve(import.meta.dirname, 'raw-requests.py');

export function loadRawCases(): RawCase[] {
  const text = brotliDecompressSync(file('raw-requests.jsonl.br')).toString();
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}
