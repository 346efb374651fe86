/** What an option says of itself beside its type, and reading options from anywhere. */
import { z } from 'zod';
import { BridgeError } from '../errors.js';

/** The longest delay that a Node timer keeps. */
export const MAX_TIMER_MS = 2 ** 31 - 1;

/** The keys that an option's `.meta()` may have; flags, help, documents and the configuration's schema come from them. */
export const optionMetaSchema = z.strictObject({
  /** What it does: one phrase. What it is without a value, where no default of the schema says so. */
  description: z.string(),
  /** On the command line, as in `--ring NAME`. `--no-NAME` alone: a switch that is on by default. */
  flag: z
    .string()
    .regex(/^--[a-z-]+( \S+)?$/)
    .optional(),
  /** The flag in one letter, such as `-c`. */
  short: z
    .string()
    .regex(/^-[a-z]$/)
    .optional(),
  /** The flag may be given several times; the value is a list. */
  repeatable: z.literal(true).optional(),
  /** What `--no-NAME` does, beside a flag that takes a value: it stands for `false`, or `null`. */
  negated: z.string().optional(),
  /** Heading in help and documents. */
  group: z.string(),
  /** Shown by `--help`; the others by `--help-all`. */
  common: z.literal(true).optional(),
  /** How the value is written on the command line; a number without a unit counts in this one. */
  unit: z.enum(['bytes', 'ms', 's', 'octal', 'json']).optional(),
  /** Not to be shown, as in a configuration that is printed. */
  secret: z.literal(true).optional(),
  /** Path of the option without which this one has no effect; `a|b`: one of them is enough. */
  needs: z.string().optional(),
});

/** Puts options under one heading. */
export function group<Shape extends Readonly<Record<string, z.ZodType>>>(
  heading: string,
  shape: Shape,
): Shape {
  const entries = Object.entries(shape);
  return Object.fromEntries(
    entries.map(([name, schema]) => [name, schema.meta({ ...schema.meta(), group: heading })]),
  ) as unknown as Shape;
}

/** A time limit in milliseconds. */
export const milliseconds = z.int().min(1).max(MAX_TIMER_MS);

/** What is wrong with one option; `path` as in the options object. */
export interface OptionProblem {
  readonly path: string;
  readonly text: string;
}

/** Reads options from anywhere. OPTION_INVALID names each option that is wrong, in its context as `problems`. */
export function parseOptions<T>(schema: z.ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const problems = optionProblems(parsed.error);
  const text = problems.map((problem) => `${problem.path && `${problem.path}: `}${problem.text}`).join('; ');
  throw new BridgeError('OPTION_INVALID', `Wrong options: ${text}.`, { context: { problems } });
}

/** The same as words. */
export function optionProblems(error: z.ZodError): OptionProblem[] {
  return error.issues.map((issue) => ({ path: issue.path.join('.'), text: inWords(issue) }));
}

function inWords(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_small':
      return `must ${issue.origin === 'string' ? 'have' : 'be'} at least ${issue.minimum}${unitOf(issue)}`;
    case 'too_big':
      return `must ${issue.origin === 'string' ? 'have' : 'be'} at most ${issue.maximum}${unitOf(issue)}`;
    case 'invalid_value':
      return `must be one of ${issue.values.map(String).join(', ')}`;
    case 'invalid_type': {
      const kind = issue.expected === 'record' ? 'object' : issue.expected;
      return issue.message.endsWith('received undefined')
        ? 'is missing'
        : `must be ${/^[aeiou]/.test(kind) ? 'an' : 'a'} ${kind}`;
    }
    case 'unrecognized_keys':
      return `there is no option ${issue.keys.join(', ')}`;
    default:
      return issue.message;
  }
}

const unitOf = ({ origin }: { readonly origin: string }): string =>
  origin === 'string' ? ' characters' : '';
