/** Command-line flags out of the option schemas: how they are declared, read and shown. */
import { readFileSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { BridgeError } from '../errors.js';
import { readProblem } from '../files.js';
import { configSchema, type OptionSpec, optionProblems, optionSpecs } from '../options/index.js';

/** Options as they were given: an object in the form of the library's. */
export type Given = Readonly<Record<string, unknown>>;

const MILLISECONDS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const BYTES: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

/** Declares the flags of some options; what comes back reads them once the command line is parsed. */
export function addFlags(command: Command, specs: readonly OptionSpec[], showAll = false): () => Given {
  const flags = specs.filter(({ flag }) => flag !== undefined);
  const options = flags.map((spec) => {
    const { flag, short, placeholder = '', negated } = spec;
    const argument = placeholder.replace(/^(?!\[[^\]]*\]$)(.+)$/, '<$1>');
    const option = new Option(
      `${short ? `${short}, ` : ''}--${flag} ${argument}`.trimEnd(),
      spec.description + defaultText(spec),
    );
    option.helpGroup(`${spec.group}:`).hideHelp(!showAll && !spec.common);
    if (placeholder !== '') {
      option.argParser((text, before: unknown) => {
        const value = flagValue(spec, text);
        return spec.repeatable ? [...((before as unknown[] | undefined) ?? []), value] : value;
      });
    }
    option.makeOptionMandatory(!spec.schema.safeParse(undefined).success);
    command.addOption(option);
    if (negated !== undefined) {
      const never = new Option(`--no-${flag}`, negated).helpGroup(`${spec.group}:`);
      command.addOption(never.hideHelp(option.hidden));
      refuseBoth(command, option, never);
    }
    return { spec, name: option.attributeName() };
  });
  return () => {
    const given: Record<string, unknown> = {};
    for (const { spec, name } of options) {
      if (command.getOptionValueSource(name) !== 'cli') continue;
      const value: unknown = command.getOptionValue(name);
      // Where `--no-...` cannot be said by `false`, it is `null`.
      put(given, spec.path, spec.schema.safeParse(value).success ? value : null);
    }
    return given;
  };
}

function refuseBoth(command: Command, option: Option, negated: Option): void {
  const seen = new Set<Option>();
  for (const one of [option, negated]) {
    command.on(`option:${one.long!.slice(2)}`, () => {
      seen.add(one);
      if (seen.size > 1)
        command.error(`error: options '${option.long}' and '${negated.long}' exclude each other`);
    });
  }
}

function put(target: Record<string, unknown>, [name, ...rest]: readonly string[], value: unknown): void {
  if (rest.length === 0) target[name!] = value;
  else {
    target[name!] ??= {};
    put(target[name!] as Record<string, unknown>, rest, value);
  }
}

/** The value that a text on the command line stands for: the first reading of it that the schema takes. */
export function flagValue(spec: OptionSpec, text: string): unknown {
  const readings = spec.unit === 'json' ? [jsonOf(text)] : readingsOf(text, spec.unit);
  for (const value of readings) if (spec.schema.safeParse(value).success) return value;
  const problems = optionProblems(spec.schema.safeParse(readings[0]).error!);
  const words = problems.map((problem) => (problem.path ? `${problem.path}: ${problem.text}` : problem.text));
  const sentence = words.join('; ').replace(/^(?![A-Z])/, 'It ');
  throw new InvalidArgumentError(`${expected(spec) ?? sentence}.`);
}

function readingsOf(text: string, unit: OptionSpec['unit']): unknown[] {
  if (unit === 'octal') return [/^[0-7]{3,4}$/.test(text) ? Number.parseInt(text, 8) : Number.NaN];
  const [, digits, suffix = ''] = /^(-?\d+(?:\.\d+)?)([a-zA-Z]*)$/.exec(text) ?? [];
  const units = unit === 'bytes' ? BYTES : unit === undefined ? { '': 1 } : MILLISECONDS;
  const factor = units[suffix.toLowerCase() || (unit === 'ms' || unit === 's' ? unit : '')];
  const number = Number(digits) * (factor ?? Number.NaN);
  const whole = unit === undefined ? number : Math.round(number);
  return [text, whole, ...(text === 'on' ? [true] : text === 'off' ? [false] : [])];
}

function jsonOf(text: string): unknown {
  let source = text;
  if (text.startsWith('@')) {
    try {
      source = readFileSync(text.slice(1), 'utf8');
    } catch (cause) {
      throw new InvalidArgumentError(`The file ${text.slice(1)} cannot be read: ${readProblem(cause)}.`);
    }
  }
  try {
    return JSON.parse(source);
  } catch (cause) {
    throw new InvalidArgumentError(`JSON, or @FILE with JSON in it, is needed: ${reasonOf(cause)}.`);
  }
}

const reasonOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

interface Form {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly anyOf?: readonly Form[];
}

/** What a value must be, as a sentence without its end; undefined: the schema's own words say more. */
function expected({ form, unit }: OptionSpec): string | undefined {
  const { anyOf = [form as Form], minimum, maximum } = form as Form;
  switch (unit) {
    case 'octal':
      return 'Permissions in octal are needed, such as 0640';
    case 'bytes':
      return `${minimum} to ${maximum} bytes are needed, written as 8294528 or 8M`;
    case 'json':
      return undefined;
    case 'ms':
    case 's': {
      const words = anyOf.filter((one) => one.const !== undefined).map((one) => `, or ${String(one.const)}`);
      return `A time greater than 0 is needed, such as 500ms, 90s, 15m or 1h (a number alone: ${unit})${words.join('')}`;
    }
  }
  const kinds = anyOf.map(kindOf);
  return kinds.includes(undefined) ? undefined : `It must be ${kinds.join(' or ')}`;
}

function kindOf(form: Form): string | undefined {
  const { minimum: least = 0, maximum: most = Number.MAX_SAFE_INTEGER } = form;
  const range = most === Number.MAX_SAFE_INTEGER ? `of at least ${least}` : `from ${least} to ${most}`;
  if (form.enum) return `one of ${form.enum.join(', ')}`;
  if (form.const !== undefined) return String(form.const);
  if (form.type === 'integer') return `a whole number ${range}`;
  if (form.type === 'number') return `a number ${range}`;
  if (form.type === 'boolean') return 'on or off';
  return form.maxLength === undefined
    ? undefined
    : `a name of ${form.minLength} to ${form.maxLength} characters`;
}

/** Choices and default behind an option's text; the text itself names a default that no value stands for. */
export function defaultText({ form, unit, placeholder }: OptionSpec): string {
  const { default: value, enum: choices = [] } = form;
  const parts: string[] = choices.length > 0 ? [choices.join(', ')] : [];
  if (typeof value === 'number') parts.push(`default: ${numberText(value, unit)}`);
  else if (typeof value === 'string' && value !== '') parts.push(`default: ${value}`);
  else if (value === true && placeholder !== undefined) parts.push('default: on');
  return parts.length === 0 ? '' : ` (${parts.join('; ')})`;
}

function numberText(value: number, unit: OptionSpec['unit']): string {
  if (unit === 'octal') return `0${value.toString(8)}`;
  if (unit === 'bytes') return value % 2 ** 20 === 0 ? `${value / 2 ** 20}M` : String(value);
  return unit === 'ms' || unit === 's' ? `${value / 1_000}s` : String(value);
}

/** What an error says, with the flags of the options that it is about: the library does not know them. */
export function inFlags({ message, context }: BridgeError): string {
  const { options } = context;
  if (!Array.isArray(options)) return message;
  const flags = optionSpecs(configSchema).flatMap(({ path, flag }) =>
    options.includes(path.join('.')) && flag !== undefined ? [`--${flag}`] : [],
  );
  return flags.length === 0 ? message : `${message} (${flags.join(', ')})`;
}

/** The flags with the words behind `--` as the algorithm's command. */
export function withAlgorithm<T extends { readonly runner?: unknown }>(
  given: T,
  words: readonly string[],
): T {
  if (words.length === 0) return given;
  if (given.runner !== undefined) {
    throw new BridgeError('OPTION_INVALID', 'Give the algorithm with --runner or behind --, not both.');
  }
  return { ...given, runner: [...words] };
}

/** What is missing for an option to have an effect, in words; others are "without" their flag. */
const MISSING: Readonly<Record<string, string>> = {
  runner: 'without an algorithm. Give its command with --runner or behind --, as in: -- python3 algorithm.py',
  shm: 'with --no-shm',
};

/** Throws OPTION_INVALID naming the flags given that have no effect, `options` being all that is set. */
export function refuseIdle(specs: readonly OptionSpec[], given: Given, options: Given): void {
  const idle = new Map<string, string[]>();
  for (const spec of specs) {
    const { needs, path, flag } = spec;
    if (needs === undefined || path.reduce<unknown>(member, given) === undefined) continue;
    const enough = (one: string): unknown =>
      options[one] ?? specs.find((other) => other.path.join('.') === one)?.form.default;
    if (needs.split('|').some(enough)) continue;
    idle.set(needs, [...(idle.get(needs) ?? []), `--${flag}`]);
  }
  const [first] = idle;
  if (!first) return;
  const [needs, flags] = first;
  const last = flags.sort().pop();
  const who = flags.length === 0 ? `${last} has` : `${flags.join(', ')} and ${last} have`;
  const flagOf = (one: string): string => `--${specs.find((spec) => spec.path[0] === one)?.flag}`;
  const missing = MISSING[needs] ?? `without ${needs.split('|').map(flagOf).join(' or ')}`;
  throw new BridgeError('OPTION_INVALID', `${who} no effect ${missing}${missing.endsWith('.py') ? '' : '.'}`);
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Given)[name] : undefined;
