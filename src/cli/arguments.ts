/** Parsers of option values; each names the value it refuses. */
import { InvalidArgumentError } from 'commander';

/** A whole number from `least` to `most`. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least || value > most) {
      throw new InvalidArgumentError(`A whole number from ${least} to ${most} is needed, not "${text}".`);
    }
    return value;
  };
}

/** Seconds, with decimals, as milliseconds. */
export function seconds(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0 || value > 2_000_000) {
    throw new InvalidArgumentError(`Seconds greater than 0 are needed, not "${text}".`);
  }
  return Math.max(1, Math.round(value * 1_000));
}

/** Permission bits in octal, such as 0640. */
export function octalMode(text: string): number {
  if (!/^[0-7]{3,4}$/.test(text) || Number.parseInt(text, 8) > 0o777) {
    throw new InvalidArgumentError(`Permissions in octal are needed, such as 0640, not "${text}".`);
  }
  return Number.parseInt(text, 8);
}

/** Bytes, with an optional suffix K or M (1024, 1024 * 1024). */
export function byteCount(text: string): number {
  const match = /^(\d+)([KkMm]?)$/.exec(text);
  if (!match) throw new InvalidArgumentError(`Bytes are needed, such as 8294528 or 8M, not "${text}".`);
  const unit = { '': 1, k: 1_024, m: 1_024 * 1_024 }[match[2]!.toLowerCase()] ?? 1;
  return Number(match[1]) * unit;
}

/** Collects a repeatable option. */
export function collect(value: string, previous: string[] | undefined): string[] {
  return [...(previous ?? []), value];
}

/** `on`, `off`, or a number of attempts. */
export function reconnectPolicy(text: string): boolean | number {
  if (text === 'on' || text === 'off') return text === 'on';
  const attempts = Number(text);
  if (!/^\d+$/.test(text) || attempts < 1) {
    throw new InvalidArgumentError(`on, off or a number of attempts is needed, not "${text}".`);
  }
  return attempts;
}
