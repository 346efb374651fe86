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

/** A schema of JSON whose values may be written as text as well: `read` gives the value, or the input where it is none. */
const orText = <T extends z.ZodType>(read: (input: unknown) => unknown, schema: T) =>
  z.preprocess(read, schema);

const numeric = (input: unknown): unknown =>
  typeof input === 'string' && NUMBER.test(input) ? Number(input) : input;

const needs =
  (what: string) =>
  ({ input }: { input?: unknown }) =>
    wrong(input, what);

/** A number, or its text. */
export function number(least: number, most: number) {
  const error = needs(`a number from ${least} to ${most}`);
  return orText(numeric, z.number({ error }).min(least, { error }).max(most, { error }));
}

/** A whole number, or its text. */
export function whole(least: number, most: number) {
  const error = needs(`a whole number from ${least} to ${most}`);
  return orText(numeric, z.int({ error, abort: true }).min(least, { error }).max(most, { error }));
}

/** Text of `least` to `longest` characters. */
export function text(longest: number, least = 1) {
  return z
    .string({ error: needs('text') })
    .min(least, 'it is empty')
    .max(longest, `it has more than ${longest} characters`);
}

/** One of several words. */
export function choice<const T extends readonly [string, ...string[]]>(words: T) {
  return z.enum(words, { error: needs(`one of ${words.join(', ')}`) });
}

const yesOrNo = z.union([z.stringbool(), z.literal([0, 1]).transform((value) => value === 1)]);

/** Yes or no: a JSON truth value, its text, or 0 and 1. */
export const flag = () =>
  orText((input) => yesOrNo.safeParse(input).data ?? input, z.boolean({ error: needs('true or false') }));

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
