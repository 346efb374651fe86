/** JSON that comes from outside: its depth and size are checked before it is parsed. */

export interface JsonLimits {
  /** Objects and arrays inside each other. */
  readonly maxDepth?: number;
  /** Values and names in all. */
  readonly maxValues?: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Parses JSON text. SyntaxError: it is not JSON. RangeError: it is nested too deep or has too many values; its message
 * says which, as the end of a sentence. Code that walks the value recursively is safe then.
 */
export function parseJson(text: string, limits: JsonLimits = {}): unknown {
  const { maxDepth = 64, maxValues = 1_000_000 } = limits;
  let depth = 0;
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case QUOTE:
        at = endOfString(text, at);
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > maxDepth) throw new RangeError(`is nested more than ${maxDepth} deep`);
        break;
      case 0x5d: // ]
      case 0x7d: // }
        depth--;
        break;
      case 0x2c: // ,
        if (++values > maxValues) throw new RangeError(`has more than ${maxValues} values`);
    }
  }
  return JSON.parse(text);
}

/** Index of the quote that closes the string opened at `start`; the end of the text when none does. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; ; at++) {
    at = text.indexOf('"', at);
    if (at < 0) return text.length;
    let escapes = 0;
    while (text.charCodeAt(at - 1 - escapes) === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return at;
  }
}
