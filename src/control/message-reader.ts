/** From a client's bytes to JSON values: one on each line, or one after the other without anything between them. */
import { JSONParser, TokenType } from '@streamparser/json';

/** What the stream gives: an object or array, or why there is none. */
export type Message = { readonly value: unknown } | { readonly problem: string };

/** Bytes of one message: a script of the largest size, escaped. */
export const MESSAGE_BYTES = 600 * 1_024;

export interface MessageLimits {
  /** Bytes of one message. */
  readonly bytes: number;
  /** Objects and arrays inside each other. */
  readonly depth: number;
  /** Names, values and signs between them, in all. */
  readonly tokens: number;
}

export const OBJECT = 'a command is a JSON object, such as {"command":"get_status"}';

/** Where reading goes on after damage: behind a line end or a NUL, and between two objects. */
const SEAM = /(?<=[\n\0])|(?<=\})(?=\s*\{)/;

/**
 * Damage costs what follows up to the next line end, the next `}{`, or a later write that begins with `{`. A NUL, with
 * which programs end their C strings, is as good as a line end.
 */
export class MessageReader {
  readonly #limits: MessageLimits;
  #parser: JSONParser | undefined;
  #decoder = new TextDecoder('utf-8', { fatal: true });
  #found: Message[] = [];
  #problem: string | undefined;
  #bytes = 0;
  #depth = 0;
  #tokens = 0;
  #skipping = false;

  constructor(limits: MessageLimits) {
    this.#limits = limits;
  }

  /** The messages that a chunk completes. */
  push(chunk: Uint8Array): Message[] {
    this.#found = [];
    let text = '';
    try {
      text = this.#decoder.decode(chunk, { stream: true });
    } catch {
      this.#decoder = new TextDecoder('utf-8', { fatal: true });
      this.#fail('the message is not UTF-8');
      // For its line ends.
      text = ` ${Buffer.from(chunk).toString('latin1')}`;
    }
    for (const [index, part] of text.split(SEAM).entries()) {
      if (index > 0 || part.startsWith('{')) this.#skipping = false;
      if (!this.#skipping) this.#takePart(part);
      if (/[\n\0]$/.test(part)) this.#skipping = false;
    }
    return this.#found;
  }

  /** The stream is over: what is left of a message. */
  end(): Message[] {
    return this.#depth > 0 ? [{ problem: 'Invalid JSON: the message ended in the middle' }] : [];
  }

  #takePart(part: string): void {
    const unfinished = this.#depth > 0;
    this.#parse(part.replace('\0', '\n'));
    if (!this.#skipping || !unfinished || !part.startsWith('{')) return;
    // An unfinished message in front of this one is what was damaged.
    this.#skipping = false;
    this.#parse(part);
  }

  #parse(text: string): void {
    this.#parser ??= this.#newParser();
    this.#bytes += Buffer.byteLength(text);
    this.#parser.write(text);
    if (this.#problem === undefined && this.#depth > 0 && this.#bytes > this.#limits.bytes) {
      this.#problem = `a message has at most ${this.#limits.bytes} bytes`;
    }
    if (this.#problem !== undefined) this.#fail(this.#problem);
  }

  #newParser(): JSONParser {
    const parser = new JSONParser({ separator: '', paths: ['$'], stringBufferSize: 4_096 });
    parser.onToken = ({ token }) => {
      if (token === TokenType.LEFT_BRACE || token === TokenType.LEFT_BRACKET) this.#depth++;
      if (token === TokenType.RIGHT_BRACE || token === TokenType.RIGHT_BRACKET) this.#depth--;
      if (this.#depth > this.#limits.depth)
        throw new Error(`it is nested more than ${this.#limits.depth} deep`);
      if (++this.#tokens > this.#limits.tokens) throw new Error('it has too many values');
    };
    parser.onValue = ({ value }) => {
      this.#found.push({ value });
      this.#bytes = this.#tokens = 0;
    };
    parser.onError = ({ message }) => {
      const where = message.replace(/ (at chunk position|in state) .*/s, '');
      this.#problem ??= this.#depth > 0 ? `Invalid JSON: ${where}` : `Invalid JSON: ${OBJECT}`;
    };
    return parser;
  }

  #fail(problem: string): void {
    this.#found.push({ problem });
    this.#parser = this.#problem = undefined;
    this.#bytes = this.#tokens = this.#depth = 0;
    this.#skipping = true;
  }
}
