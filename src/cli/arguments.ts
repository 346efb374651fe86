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

/** Bytes from `least` to `most`, with an optional suffix K or M (1024, 1024 * 1024). */
export function byteCount(least: number, most: number): (text: string) => number {
  return (text) => {
    const match = /^(\d+)([KkMm]?)$/.exec(text);
    const unit = { '': 1, k: 1_024, m: 1_024 * 1_024 }[match?.[2]?.toLowerCase() ?? ''] ?? 1;
    const bytes = Number(match?.[1]) * unit;
    if (!(bytes >= least && bytes <= most)) {
      throw new InvalidArgumentError(
        `${least} to ${most} bytes are needed, written as 8294528 or 8M, not "${text}".`,
      );
    }
    return bytes;
  };
}

/** A name of `least` to `most` characters. */
export function nameOf(least: number, most: number): (text: string) => string {
  return (text) => {
    if (text.length >= least && text.length <= most) return text;
    throw new InvalidArgumentError(`A name of ${least} to ${most} characters is needed, not "${text}".`);
  };
}

/** A camera's name, which is part of file names. */
export function cameraName(text: string): string {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(text)) return text;
  throw new InvalidArgumentError(
    `Letters, digits, dot, underscore and hyphen make a name (cameraId), at most 64 of them, not "${text}".`,
  );
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

/** Frames per second, or `max`; as it stands. */
export function frameRate(text: string): string {
  const rate = Number(text);
  if (text === 'max' || (/^\d+(\.\d+)?$/.test(text) && rate > 0 && rate <= 10_000)) return text;
  throw new InvalidArgumentError(`Frames per second (fps), up to 10000, or max is needed, not "${text}".`);
}
