/** What may go wrong on the line, and how a person writes it on the command line. */
import { z } from 'zod';
import { BridgeError } from '../../errors.js';

/**
 * Damage to a packet. drop: it is gone; flip: one of its bits is inverted; cut: its end is missing; double: it
 * comes twice; garbage: bytes that are no packet come before it; reorder: an event comes after the packet that
 * followed it (other packets are not reordered: nothing on such a line does that).
 */
export const DAMAGE_KINDS = ['drop', 'flip', 'cut', 'double', 'garbage', 'reorder'] as const;
/** delay: the packet, and all behind it, come `delay-ms` later; stall: the same with `stall-ms`. */
export const TIME_KINDS = ['delay', 'stall'] as const;
/** hangup: the cable is pulled; reboot: the camera is switched off and on. The packet is lost. */
export const BREAK_KINDS = ['hangup', 'reboot'] as const;
export const FAULT_KINDS = [...DAMAGE_KINDS, ...TIME_KINDS, ...BREAK_KINDS] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];
export type BreakKind = (typeof BREAK_KINDS)[number];

/** The kinds that a bare percentage means. */
const COMMON_KINDS: readonly FaultKind[] = ['drop', 'flip', 'cut'];

const rate = z.number().min(0).max(1).default(0);
const milliseconds = z.int().min(1).max(60_000);

export const faultOptionsSchema = z
  .strictObject({
    /** Share of packets, 0 to 1, that each kind hits. A packet is hit by one kind at most. */
    drop: rate,
    flip: rate,
    cut: rate,
    double: rate,
    garbage: rate,
    reorder: rate,
    delay: rate,
    stall: rate,
    hangup: rate,
    reboot: rate,
    delayMs: milliseconds.default(20),
    stallMs: milliseconds.default(400),
    /** Bytes a second that each direction carries at most; 0: any number. */
    throttle: z.int().min(0).max(1_000_000_000).default(0),
    /** The same seed and the same packets give the same faults. */
    seed: z.int().min(0).max(0xffff_ffff).default(1),
    direction: z.enum(['both', 'to-host', 'to-camera']).default('both'),
  })
  .refine((options) => FAULT_KINDS.reduce((sum, kind) => sum + options[kind], 0) <= 1, {
    error: 'the kinds together are more than 100 %',
  });

export type FaultOptions = z.output<typeof faultOptionsSchema>;

const EXAMPLE = '"2%" or "drop=1%,flip=0.5%,stall=0.1%,seed=7,direction=to-host"';
/** Keys with a whole number, as written and as named in the options. */
const NUMBERS: Readonly<Record<string, string>> = {
  seed: 'seed',
  throttle: 'throttle',
  'delay-ms': 'delayMs',
  'stall-ms': 'stallMs',
};
const KEYS = [...FAULT_KINDS, ...Object.keys(NUMBERS), 'direction'].join(', ');

/**
 * Reads fault options as people write them: `2%` for drop, flip and cut sharing 2 % of the packets in both
 * directions, or parts separated by commas: `drop=1%,double=0.5%,stall=0.1%,stall-ms=500,throttle=100000,seed=7,
 * direction=both|to-host|to-camera`. Throws OPTION_INVALID that names the part which is wrong.
 */
export function parseFaults(text: string): FaultOptions {
  const found: Record<string, unknown> = {};
  for (const part of text.split(',').map((piece) => piece.trim())) {
    const [key = '', value] = part.split('=', 2).map((side) => side.trim());
    if (value === undefined) {
      const share = percentage(key, part, text) / COMMON_KINDS.length;
      for (const kind of COMMON_KINDS) set(found, kind, share, part, text);
    } else if (key in NUMBERS) {
      if (!/^\d{1,10}$/.test(value)) throw invalid(part, text, `${key} is a whole number`);
      set(found, NUMBERS[key]!, Number(value), part, text);
    } else if (key === 'direction') {
      set(found, key, value, part, text);
    } else if ((FAULT_KINDS as readonly string[]).includes(key)) {
      set(found, key, percentage(value, part, text), part, text);
    } else {
      throw invalid(part, text, `"${key}" is not one of ${KEYS}`);
    }
  }
  const result = faultOptionsSchema.safeParse(found);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const key = issue.path[0];
  const written = Object.keys(NUMBERS).find((name) => NUMBERS[name] === key) ?? String(key);
  const part = key === undefined ? text : `${written}=${String(found[String(key)])}`;
  throw invalid(part, text, issue.message);
}

function set(found: Record<string, unknown>, key: string, value: unknown, part: string, text: string): void {
  if (key in found) throw invalid(part, text, `${key} is given twice`);
  found[key] = value;
}

function percentage(value: string, part: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*%$/.exec(value);
  const percent = match ? Number(match[1]) : Number.NaN;
  if (!(percent <= 100)) throw invalid(part, text, 'expected a percentage from 0% to 100%');
  return percent / 100;
}

function invalid(part: string, text: string, why: string): BridgeError {
  return new BridgeError(
    'OPTION_INVALID',
    `Fault option "${part}" is not understood: ${why}. Write for example ${EXAMPLE}.`,
    { context: { part, faults: text } },
  );
}
