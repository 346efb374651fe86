/**
 * Python's `json.dumps` writes NaN and the infinities bare, which is not JSON: one such number makes a strict
 * parser refuse the whole message, and with it the request id that says whose answer it was. This finds the bare
 * words outside strings, so that the rest of the message can still be read.
 */

/** The spellings Python emits; the longer one first, because it contains the shorter. */
const WORDS = ['-Infinity', 'Infinity', 'NaN'] as const;

/** Index just behind the string that opens at `start`; the end of the text when it is never closed. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length) {
    const character = text[at];
    if (character === '\\') at += 2;
    else if (character === '"') return at + 1;
    else at += 1;
  }
  return text.length;
}

/** `text` with `null` in the place of every bare NaN, Infinity and -Infinity; `undefined` when there is none. */
export function replaceNonFinite(text: string): string | undefined {
  const pieces: string[] = [];
  let copied = 0;
  let at = 0;
  while (at < text.length) {
    if (text[at] === '"') {
      at = endOfString(text, at);
      continue;
    }
    const word = WORDS.find((candidate) => text.startsWith(candidate, at));
    if (word === undefined) {
      at += 1;
      continue;
    }
    pieces.push(text.slice(copied, at), 'null');
    at += word.length;
    copied = at;
  }
  if (pieces.length === 0) return undefined;
  pieces.push(text.slice(copied));
  return pieces.join('');
}
