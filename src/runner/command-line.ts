import { splitWords } from '../command-line.js';

/** Splits an algorithm's "CMD ARGS" into words as a POSIX shell does; ends in OPTION_INVALID. */
export function splitCommandLine(text: string): string[] {
  return splitWords(text, 'algorithm command');
}
