/** What may go wrong on the line, and how a person writes it on the command line. */
import { z } from 'zod';
import { BridgeError } from '../errors.js';

/**
 * drop: the packet is gone; flip: one of its bits is inverted; cut: its end is missing.
 */
export const FAULT_KINDS = ['drop', 'flip', 'cut'] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

const rate = z.number().min(0).max(1).default(0);

export const faultOptionsSchema = z
  .strictObject({
    /** Share of packets, 0 to 1, that each kind hits. A packet is hit by one kind at most. */
    drop: rate,
    flip: rate,
    cut: rate,
    /** The same seed and the same packets give the same faults. */
    seed: z.int().min(0).max(0xffff_ffff).default(1),
    direction: z.enum(['both', 'to-host', 'to-camera']).default('both'),
  })
  .refine((options) => options.drop + options.flip + options.cut <= 1, {
    error: 'drop, flip and cut together are more than 100 %',
  });

export type FaultOptions = z.output<typeof faultOptionsSchema>;

const EXAMPLE = '"2%" or "drop=1%,flip=0.5%,cut=0.5%,seed=7,direction=to-host"';

/**
 * Reads fault options as people write them: `2%` for all kinds sharing 2 % of the packets in both directions,
 * or parts separated by commas: `drop=1%,flip=0.5%,cut=0.5%,seed=7,direction=both|to-host|to-camera`. Throws
 * OPTION_INVALID that names the part which is wrong.
 */
export function parseFaults(text: string): FaultOptions {
  const found: Record<string, unknown> = {};
  for (const part of text.split(',').map((piece) => piece.trim())) {
    const [key = '', value] = part.split('=', 2).map((side) => side.trim());
    if (value === undefined) {
      const share = percentage(key, part, text) / FAULT_KINDS.length;
      for (const kind of FAULT_KINDS) set(found, kind, share, part, text);
    } else if (key === 'seed') {
      if (!/^\d{1,10}$/.test(value)) throw invalid(part, text, 'a seed is a whole number');
      set(found, key, Number(value), part, text);
    } else if (key === 'direction') {
      set(found, key, value, part, text);
    } else if ((FAULT_KINDS as readonly string[]).includes(key)) {
      set(found, key, percentage(value, part, text), part, text);
    } else {
      throw invalid(part, text, `"${key}" is not one of drop, flip, cut, seed, direction`);
    }
  }
  const result = faultOptionsSchema.safeParse(found);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const key = issue.path[0];
  const part = key === undefined ? text : `${String(key)}=${String(found[String(key)])}`;
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
    {
      context: { part, faults: text },
    },
  );
}
