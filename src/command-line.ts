/** Splitting what a user wrote on one line into words. */
import { BridgeError } from './errors.js';

/** Inside double quotes a backslash escapes these only (POSIX shell, "Double-Quotes"). */
const ESCAPED_IN_DOUBLE_QUOTES = '$`"\\';

function refusal(subject: string, text: string): (what: string) => BridgeError {
  return (what) =>
    new BridgeError('OPTION_INVALID', `The ${subject} ${what}: ${text}`, { context: { command: text } });
}

/**
 * Splits "CMD ARGS" into words as a POSIX shell does: single quotes, double quotes, backslash. Nothing is
 * expanded and no shell ever sees the text, so `$`, `*`, `|` and `;` stand for themselves. Ends in OPTION_INVALID
 * on a quote that is not closed, a backslash at the end, a NUL character, or no words at all; `subject` says in the message whose words they are, such as `algorithm command`.
 */
export function splitWords(text: string, subject: string): string[] {
  const refuse = refusal(subject, text.replaceAll('\0', '\\0'));
  if (text.includes('\0')) throw refuse('holds a NUL character');
  const words: string[] = [];
  let word: string | undefined;
  let at = 0;
  while (at < text.length) {
    const character = text[at]!;
    at += 1;
    if (/[ \t\r\n]/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'") {
      const end = text.indexOf("'", at);
      if (end < 0) throw refuse("has a single quote (') that is not closed");
      word = (word ?? '') + text.slice(at, end);
      at = end + 1;
    } else if (character === '"') {
      const quoted = readDoubleQuoted(text, at, refuse);
      word = (word ?? '') + quoted.value;
      at = quoted.end;
    } else if (character === '\\') {
      if (at >= text.length) throw refuse('ends in a backslash that escapes nothing');
      // A backslash before a line end joins the two lines.
      if (text[at] !== '\n') word = (word ?? '') + text[at];
      at += 1;
    } else {
      word = (word ?? '') + character;
    }
  }
  if (word !== undefined) words.push(word);
  if (words.length === 0) throw refuse('is empty; give a program and its arguments');
  if (words[0] === '') throw refuse('begins with an empty word; give a program and its arguments');
  return words;
}

function readDoubleQuoted(
  text: string,
  start: number,
  refuse: (what: string) => BridgeError,
): { value: string; end: number } {
  let value = '';
  let at = start;
  while (at < text.length) {
    const character = text[at]!;
    if (character === '"') return { value, end: at + 1 };
    const next = text[at + 1];
    if (
      character === '\\' &&
      next !== undefined &&
      (next === '\n' || ESCAPED_IN_DOUBLE_QUOTES.includes(next))
    ) {
      if (next !== '\n') value += next;
      at += 2;
    } else {
      value += character;
      at += 1;
    }
  }
  throw refuse('has a double quote (") that is not closed');
}
