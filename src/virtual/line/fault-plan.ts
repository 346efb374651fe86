/** Which packet of a direction meets which fault: drawn by a seeded generator, or read from a log. */
import { z } from 'zod';
import { mulberry32 } from '../prng.js';
import { FAULT_KINDS, type FaultKind, type FaultOptions } from './fault-options.js';

export type FaultDirection = 'to-host' | 'to-camera';

const milliseconds = z.int().min(1).max(60_000);
const LONGEST_GARBAGE = 64;

/** One fault, with everything that was left to chance. */
export const faultSchema = z.discriminatedUnion('kind', [
  /** Number of the bit that is inverted, from the packet's first. */
  z.object({ kind: z.literal('flip'), bit: z.int().min(0) }),
  /** Bytes that are left of the packet. */
  z.object({ kind: z.literal('cut'), kept: z.int().min(1) }),
  /** Bytes before the packet, in hexadecimal. */
  z.object({ kind: z.literal('garbage'), bytes: z.string().regex(/^([0-9a-f]{2}){1,64}$/) }),
  z.object({ kind: z.literal('delay'), ms: milliseconds }),
  z.object({ kind: z.literal('stall'), ms: milliseconds }),
  z.object({ kind: z.enum(['drop', 'double', 'reorder', 'hangup', 'reboot']) }),
]);
export type Fault = z.infer<typeof faultSchema>;

/** Asked once for each packet, in order; `number` counts the direction's packets from 1, `length` is in bytes. */
export type FaultPlan = (number: number, length: number) => Fault | undefined;

/** Faults by the numbers of the packets that met them. */
export interface FaultRecording {
  /** Bytes a second that each direction carries at most; 0: any number. */
  readonly throttle: number;
  readonly toHost: ReadonlyMap<number, Fault>;
  readonly toCamera: ReadonlyMap<number, Fault>;
}

/** The same seed and the same packets give the same faults. Undefined: this direction is to have none. */
export function seededPlan(options: FaultOptions, direction: FaultDirection): FaultPlan | undefined {
  if (options.direction !== 'both' && options.direction !== direction) return undefined;
  // Each direction draws from its own sequence: how their packets interleave does not change anything.
  const random = mulberry32((options.seed ^ (direction === 'to-host' ? 0x5bd1e995 : 0)) >>> 0);
  return (_number, length) => {
    let point = random();
    for (const kind of FAULT_KINDS) {
      if (point < options[kind]) return drawFault(kind, length, options, random);
      point -= options[kind];
    }
    return undefined;
  };
}

function drawFault(kind: FaultKind, length: number, options: FaultOptions, random: () => number): Fault {
  switch (kind) {
    case 'flip':
      return { kind, bit: Math.floor(random() * length * 8) };
    case 'cut':
      return { kind, kept: 1 + Math.floor(random() * (length - 1)) };
    case 'garbage': {
      const count = 1 + Math.floor(random() * LONGEST_GARBAGE);
      const bytes = Uint8Array.from({ length: count }, () => random() * 256);
      return { kind, bytes: Buffer.from(bytes).toString('hex') };
    }
    case 'delay':
      return { kind, ms: options.delayMs };
    case 'stall':
      return { kind, ms: options.stallMs };
    default:
      return { kind };
  }
}

/** The faults of a log, each at the packet that met it then; a packet that is shorter now meets them all the same. */
export function recordedPlan(recording: FaultRecording, direction: FaultDirection): FaultPlan {
  const faults = direction === 'to-host' ? recording.toHost : recording.toCamera;
  return (number, length) => {
    const fault = faults.get(number);
    if (fault?.kind === 'flip') return { ...fault, bit: fault.bit % (length * 8) };
    if (fault?.kind === 'cut') return { ...fault, kept: Math.min(fault.kept, length - 1) };
    return fault;
  };
}
