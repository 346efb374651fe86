/** What a bad line does to packets: each fault with its own probability, per packet. */
import type { Random } from './random.js';

export interface LineFaults {
  /** The packet does not arrive. */
  drop?: number;
  /** One bit is inverted. */
  flip?: number;
  /** Its end is missing. */
  cut?: number;
  /** It arrives twice. */
  double?: number;
  /** Bytes of noise precede it, sync bytes among them. */
  garbage?: number;
}

/** Every fault with the same probability, so that together they hit about `share` of all packets. */
export function evenly(share: number): LineFaults {
  const each = share / 5;
  return { drop: each, flip: each, cut: each, double: each, garbage: each };
}

/** What arrives instead of `packet`, each piece a chunk of its own. */
export function damage(packet: Uint8Array, faults: LineFaults, random: Random): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  if (random.chance(faults.garbage ?? 0)) pieces.push(noise(random));
  if (random.chance(faults.drop ?? 0)) return pieces;
  let bytes = packet;
  if (random.chance(faults.flip ?? 0)) {
    bytes = bytes.slice();
    const at = random.below(bytes.length);
    bytes[at] = bytes[at]! ^ (1 << random.below(8));
  }
  if (random.chance(faults.cut ?? 0)) bytes = bytes.subarray(0, 1 + random.below(bytes.length - 1));
  pieces.push(bytes);
  if (random.chance(faults.double ?? 0)) pieces.push(bytes);
  return pieces;
}

function noise(random: Random): Uint8Array {
  const bytes = random.bytes(1 + random.below(40));
  bytes.forEach((_, index) => {
    if (random.chance(0.1)) bytes.set([0xaa, 0xd5].slice(0, bytes.length - index), index);
  });
  return bytes;
}
