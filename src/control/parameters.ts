/** Parameters of commands: strings and numbers alike, as VizionStreamer's clients send them. */
import { z } from 'zod';

const NUMBER = /^\s*[+-]?\d+(\.\d+)?\s*$/;
const LONGEST_QUOTE = 40;

/** Says what is wrong with a value, and what is needed in its place. */
function wrong(input: unknown, what: string): string {
  if (input === undefined) return `it is missing; ${what} is needed`;
  const text = JSON.stringify(input) ?? String(input);
  const quoted = text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}...` : text;
  return `${quoted} is not ${what}`;
}

/** A number, or its text. */
function numeric(what: string, accepts: (value: number) => boolean) {
  return z.unknown().transform((input, context): number => {
    const value = typeof input === 'string' && NUMBER.test(input) ? Number(input) : input;
    if (typeof value === 'number' && accepts(value)) return value;
    context.issues.push({ code: 'custom', input, message: wrong(input, what) });
    return z.NEVER;
  });
}

export const number = (least: number, most: number) =>
  numeric(`a number from ${least} to ${most}`, (value) => value >= least && value <= most);

export const whole = (least: number, most: number) =>
  numeric(
    `a whole number from ${least} to ${most}`,
    (value) => Number.isInteger(value) && value >= least && value <= most,
  );

/** Text of `least` to `longest` characters. */
export function text(longest: number, least = 1) {
  const error = ({ input }: { input?: unknown }) => wrong(input, 'text');
  return z.string({ error }).min(least, 'it is empty').max(longest, `it has more than ${longest} characters`);
}

/** One of several words. */
export function choice<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, { error: ({ input }) => wrong(input, `one of ${words.join(', ')}`) });
}

/** Yes or no: a JSON truth value, its text, or 0 and 1. */
export const flag = () =>
  z.union([z.boolean(), z.stringbool(), z.literal([0, 1]).transform((value) => value === 1)], {
    error: ({ input }) => wrong(input, 'true or false'),
  });

/** Parameters of a setting that can be left to the sensor: in auto mode those of that name are not looked at. */
export function ignoringInAuto<T extends z.ZodType>(names: readonly string[], schema: T) {
  return z.preprocess((params) => {
    if (!isRecord(params) || params['mode'] !== 'auto') return params;
    return Object.fromEntries(Object.entries(params).filter(([name]) => !names.includes(name)));
  }, schema);
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

/** The words of what is wrong with parameters; `usage`: what the command takes. */
export function problems(error: z.ZodError, usage: string): string {
  return error.issues
    .map((issue) => {
      if (issue.code === 'unrecognized_keys') {
        const names = issue.keys.map((key) => `"${key.slice(0, LONGEST_QUOTE)}"`).join(', ');
        return `there is no parameter ${names}: ${usage}`;
      }
      const name = issue.path.join('.');
      return name ? `parameter "${name}": ${issue.message}` : issue.message;
    })
    .join('; ');
}
