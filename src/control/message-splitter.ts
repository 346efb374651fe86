/**
 * Cuts a byte stream into JSON values without relying on delimiters: whatever lies between a value and the next one
 * may be nothing, spaces, or line ends. The grammar is followed byte by byte, so that a damaged message is noticed
 * where it is damaged and the next one is understood.
 */

/** What the stream gives: the text of an object or array, or why there is none. */
export type Message = { readonly text: string } | { readonly problem: string };

type State = 'value' | 'first' | 'key' | 'colon' | 'next' | 'string' | 'escape' | 'word';

const code = (character: string): number => character.charCodeAt(0);
const QUOTE = code('"');
const BACKSLASH = code('\\');
const OPEN_OBJECT = code('{');
const CLOSE_OBJECT = code('}');
const OPEN_ARRAY = code('[');
const CLOSE_ARRAY = code(']');
const COLON = code(':');
const COMMA = code(',');
const NEWLINE = code('\n');
const MAX_DEPTH = 64;

const isSpace = (byte: number): boolean => byte === 32 || byte === 9 || byte === 10 || byte === 13;
/** Letters, digits and signs of numbers and of true, false and null; whether they make one is for the parser to say. */
const isWord = (byte: number): boolean =>
  (byte >= 48 && byte <= 57) ||
  (byte >= 97 && byte <= 122) ||
  byte === 69 ||
  byte === 43 ||
  byte === 45 ||
  byte === 46;

export class MessageSplitter {
  readonly #limit: number;
  #bytes: number[] = [];
  /** The brackets that are open, outermost first. */
  #open: number[] = [];
  #state: State = 'value';
  #inKey = false;
  /** After a problem: bytes are passed over up to the end of the line or of the damaged value. */
  #skipping = false;
  /** Whether only spaces have come since the last line end. */
  #lineBegins = false;

  /** `limit`: bytes of one message. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The messages that a chunk completes. */
  push(chunk: Uint8Array): Message[] {
    const messages: Message[] = [];
    for (const byte of chunk) {
      const message = this.#take(byte);
      if (message) messages.push(message);
      if (byte === NEWLINE) this.#lineBegins = true;
      else if (!isSpace(byte)) this.#lineBegins = false;
    }
    return messages;
  }

  /** The stream is over: what is left of a message. */
  end(): Message | undefined {
    if (this.#open.length === 0 || this.#skipping) return undefined;
    this.#reset();
    return { problem: 'the message ended in the middle' };
  }

  #take(byte: number): Message | undefined {
    if (this.#skipping) {
      this.#skip(byte);
      return undefined;
    }
    if (this.#open.length === 0) return this.#begin(byte);
    this.#bytes.push(byte);
    const problem = this.#step(byte);
    if (problem !== undefined) return this.#fail(problem, byte);
    if (this.#bytes.length > this.#limit)
      return this.#fail(`a message has at most ${this.#limit} bytes`, byte);
    return this.#open.length === 0 ? this.#complete() : undefined;
  }

  #begin(byte: number): Message | undefined {
    // A program that sends a C string may send its end as well.
    if (isSpace(byte) || byte === 0) return undefined;
    if (byte !== OPEN_OBJECT && byte !== OPEN_ARRAY) {
      this.#skipping = true;
      return { problem: 'a command is a JSON object, such as {"command":"get_status"}' };
    }
    this.#bytes = [byte];
    this.#push(byte);
    return undefined;
  }

  #complete(): Message {
    const bytes = Uint8Array.from(this.#bytes);
    this.#reset();
    try {
      return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
    } catch {
      return { problem: 'the message is not UTF-8' };
    }
  }

  #fail(problem: string, byte: number): Message {
    const beginsAnew = this.#lineBegins && byte === OPEN_OBJECT;
    const open = this.#open;
    this.#reset();
    if (beginsAnew) {
      // The damaged message was left unfinished, and the next one stands on a line of its own.
      this.#begin(byte);
    } else if (byte !== NEWLINE && open.length > 0) {
      this.#skipping = true;
      this.#open = open;
    }
    return { problem };
  }

  #skip(byte: number): void {
    if (byte === NEWLINE) {
      this.#reset();
    } else if (byte === OPEN_OBJECT) {
      // After something that is no JSON at all, the next object is a message again.
      if (this.#open.length === 0) {
        this.#reset();
        this.#begin(byte);
      } else if (this.#open.length < MAX_DEPTH) {
        this.#open.push(byte);
      }
    } else if (byte === CLOSE_OBJECT && this.#open.length > 0) {
      while (this.#open.length > 0 && this.#open.pop() !== OPEN_OBJECT);
      if (this.#open.length === 0) this.#reset();
    }
  }

  #reset(): void {
    this.#bytes = [];
    this.#open = [];
    this.#state = 'value';
    this.#skipping = false;
  }

  #push(byte: number): void {
    this.#open.push(byte);
    this.#state = 'first';
  }

  /** One byte of the grammar (RFC 8259); returns what is wrong with it. */
  #step(byte: number): string | undefined {
    const inObject = this.#open.at(-1) === OPEN_OBJECT;
    switch (this.#state) {
      case 'escape':
        this.#state = 'string';
        return byte < 32 ? 'a line end within a string' : undefined;
      case 'string':
        if (byte === BACKSLASH) this.#state = 'escape';
        else if (byte === QUOTE) this.#state = this.#inKey ? 'colon' : 'next';
        return byte < 32 ? 'a line end or control character within a string' : undefined;
      case 'word':
        if (isWord(byte)) return undefined;
        this.#state = 'next';
        return this.#step(byte);
      default:
        return isSpace(byte) ? undefined : this.#token(byte, inObject);
    }
  }

  #token(byte: number, inObject: boolean): string | undefined {
    const state = this.#state;
    const closes = byte === (inObject ? CLOSE_OBJECT : CLOSE_ARRAY);
    if (closes && (state === 'first' || state === 'next')) {
      this.#open.pop();
      this.#state = 'next';
    } else if (byte === QUOTE && state !== 'next' && state !== 'colon') {
      this.#inKey = inObject && state !== 'value';
      this.#state = 'string';
    } else if (state === 'colon' && byte === COLON) {
      this.#state = 'value';
    } else if (state === 'next' && byte === COMMA) {
      this.#state = inObject ? 'key' : 'value';
    } else if ((state === 'value' || (state === 'first' && !inObject)) && this.#opens(byte)) {
      if (this.#open.length >= MAX_DEPTH) return 'it is nested too deeply';
      this.#push(byte);
    } else if ((state === 'value' || (state === 'first' && !inObject)) && isWord(byte)) {
      this.#state = 'word';
    } else {
      return `"${String.fromCharCode(byte)}" where JSON has none`;
    }
    return undefined;
  }

  #opens(byte: number): boolean {
    return byte === OPEN_OBJECT || byte === OPEN_ARRAY;
  }
}
