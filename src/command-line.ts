/** Splitting what a user wrote on one line into words. */
import { BridgeError } from './errors.js';

/** Blanks, a quoted string, an escaped character, or plain characters. */
const PIECE = /(\s+)|'([^']*)'|"((?:[^"\\]|\\.)*)"|\\(.)|[^\s'"\\]+/sy;
/** Inside double quotes a backslash escapes these only (POSIX shell, "Double-Quotes"); with a line end it is nothing. */
const ESCAPED = /\\([$`"\\\n])/g;
const UNFINISHED: Readonly<Record<string, string>> = {
  "'": "has a single quote (') that is not closed",
  '"': 'has a double quote (") that is not closed',
  '\\': 'ends in a backslash that escapes nothing',
};

/**
 * Splits "CMD ARGS" into words as a POSIX shell does: single quotes, double quotes, backslash. Nothing is expanded and
 * no shell ever sees the text, so `$`, `*`, `|`, `;` and parentheses stand for themselves. (The packages for this differ
 * from a shell: shell-quote has no errors and takes parentheses for operators, string-argv knows no escapes, shlex keeps
 * the backslash of "\$".) OPTION_INVALID on a quote that is not closed, a backslash at the end, a NUL character, or no
 * words at all; `subject` says in the message whose words they are, such as `algorithm command`.
 */
export function splitWords(text: string, subject: string): string[] {
  const refuse = (what: string): BridgeError => {
    const command = text.replaceAll('\0', '\\0');
    return new BridgeError('OPTION_INVALID', `The ${subject} ${what}: ${command}`, { context: { command } });
  };
  if (text.includes('\0')) throw refuse('holds a NUL character');
  const words: string[] = [];
  let word: string | undefined;
  PIECE.lastIndex = 0;
  for (let at = 0; at < text.length; at = PIECE.lastIndex) {
    const piece = PIECE.exec(text);
    if (piece === null) throw refuse(UNFINISHED[text[at]!]!);
    const [plain, blank, single, double, escaped] = piece;
    if (blank !== undefined) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (escaped !== '\n') {
      const unescaped = double?.replace(ESCAPED, (_, character) => (character === '\n' ? '' : character));
      word = (word ?? '') + (single ?? unescaped ?? escaped ?? plain);
    }
  }
  if (word !== undefined) words.push(word);
  if (words.length === 0) throw refuse('is empty; give a program and its arguments');
  if (words[0] === '') throw refuse('begins with an empty word; give a program and its arguments');
  return words;
}
