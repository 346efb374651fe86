/**
 * The wire form of the algorithm adapter protocol: a 4-byte big-endian length and that many bytes of UTF-8 JSON,
 * one object a message (ProcVision's protocol_adapter_spec, "frame format"). Both ends use it.
 */
import { BridgeError } from '../errors.js';
import { parseJson } from '../json.js';

/** Largest message to an adapter, in bytes of JSON. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;
/** Largest message from an adapter, unless an option says otherwise. */
export const MAX_RESULT_BYTES = 16 * 1024 * 1024;
/**
 * A message up to this length is skipped when it is too large, and the stream goes on behind it. A longer one is not
 * believed: four characters of text, read as a length, are always above.
 */
export const MAX_SKIPPED_BYTES = 128 * 1024 * 1024;

const PREFIX_BYTES = 4;
const SHOWN_BYTES = 32;
/** Kept of a message that is skipped, to find its request id. */
const SKIPPED_HEAD_BYTES = 4096;

export type JsonObject = Record<string, unknown>;

/** The first bytes for an error message: printable text, then the same in hex. */
export function showBytes(bytes: Uint8Array, limit = SHOWN_BYTES): string {
  const head = Buffer.from(bytes.subarray(0, limit));
  const text = head.toString('latin1').replace(/[^ -~]/g, '.');
  const hex = head.toString('hex').replace(/..(?=.)/g, '$& ');
  return `"${text}" (hex ${hex}${bytes.length > limit ? ', ...' : ''})`;
}

/** Printable text where a length should be: a stray print. */
function isText(bytes: Uint8Array): boolean {
  return /^[\t-\r -~]*$/.test(Buffer.from(bytes).toString('latin1'));
}

/** The request id of any message, usable or not. */
export function requestIdOf(value: JsonObject): string | undefined {
  const id = value['request_id'];
  return typeof id === 'string' ? id : undefined;
}

/** Length and text of one message. */
export function frameJson(json: string): Buffer {
  const length = Buffer.byteLength(json);
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + length);
  frame.writeUInt32BE(length);
  frame.write(json, PREFIX_BYTES);
  return frame;
}

/**
 * One message for an adapter. OPTION_INVALID when it cannot be written as JSON or is larger than
 * `MAX_MESSAGE_BYTES`; both come from settings such as the user parameters.
 */
export function encodeMessage(message: object): Buffer {
  let frame: Buffer;
  try {
    frame = frameJson(JSON.stringify(message));
  } catch (cause) {
    throw new BridgeError(
      'OPTION_INVALID',
      'A message for the algorithm cannot be written as JSON: use plain values only.',
      { cause },
    );
  }
  const length = frame.length - PREFIX_BYTES;
  if (length <= MAX_MESSAGE_BYTES) return frame;
  throw new BridgeError(
    'OPTION_INVALID',
    `A message for the algorithm has ${length} bytes; at most ${MAX_MESSAGE_BYTES} are allowed. Make the user parameters or the guide information smaller.`,
    { context: { length, limit: MAX_MESSAGE_BYTES } },
  );
}

/** Where decoded messages go. */
export interface MessageSink {
  /** A whole, valid JSON object. */
  message(value: JsonObject): void;
  /** A message that cannot be used, with its request id as far as that can be read. The stream goes on. */
  unusable(error: BridgeError, requestId: string | undefined): void;
}

export interface DecoderOptions {
  /** Largest message, in bytes of JSON; default `MAX_RESULT_BYTES`. */
  readonly maxBytes?: number;
  /** Who writes, for error messages. */
  readonly peer?: 'adapter' | 'host';
}

/**
 * Cuts a byte stream into messages, whatever its chunking. Holds at most one message. The first broken frame poisons
 * the decoder: nothing in the stream marks where the next one begins.
 */
export class MessageDecoder {
  readonly #sink: MessageSink;
  readonly #maxBytes: number;
  readonly #peer: 'adapter' | 'host';
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true });
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixFilled = 0;
  /** Of the message that has begun; of one that is skipped, its first bytes. */
  #body: Buffer | undefined;
  #length = 0;
  #filled = 0;
  #failure: BridgeError | undefined;

  constructor(sink: MessageSink, options: DecoderOptions = {}) {
    this.#sink = sink;
    this.#maxBytes = options.maxBytes ?? MAX_RESULT_BYTES;
    this.#peer = options.peer ?? 'adapter';
  }

  /** The bytes of a message that has begun and is not complete; empty between messages. */
  get partial(): Uint8Array {
    const prefix = this.#prefix.subarray(0, this.#prefixFilled);
    return this.#body ? Buffer.concat([prefix, this.#body.subarray(0, this.#filled)]) : prefix;
  }

  /** True between the first and the last byte of a message. */
  get midMessage(): boolean {
    return this.#prefixFilled > 0;
  }

  /** Takes the next bytes. Throws RUNNER_PROTOCOL at the first broken frame, and the same error after that. */
  push(chunk: Uint8Array): void {
    if (this.#failure) throw this.#failure;
    for (let rest = chunk; rest.length > 0; )
      rest = this.#body ? this.#takeBody(rest) : this.#takePrefix(rest);
  }

  #takePrefix(bytes: Uint8Array): Uint8Array {
    const taken = bytes.subarray(0, PREFIX_BYTES - this.#prefixFilled);
    this.#prefix.set(taken, this.#prefixFilled);
    this.#prefixFilled += taken.length;
    const rest = bytes.subarray(taken.length);
    if (this.#prefixFilled < PREFIX_BYTES) return rest;

    this.#length = this.#prefix.readUInt32BE(0);
    if (this.#length === 0 || this.#length > Math.max(this.#maxBytes, MAX_SKIPPED_BYTES)) {
      const seen = Buffer.concat([this.#prefix, rest.subarray(0, SHOWN_BYTES)]);
      if (this.#peer === 'adapter' && isText(this.#prefix)) {
        throw this.#fail('wrote to stdout what is no message', seen);
      }
      const what = this.#length === 0 ? 'a message of no bytes' : `a message of ${this.#length} bytes`;
      throw this.#fail(`announced ${what} (1 to ${this.#maxBytes} are allowed)`, seen);
    }
    if (this.#length <= this.#maxBytes && rest.length >= this.#length) {
      // The usual case, the whole message in one chunk: read where it lies.
      this.#prefixFilled = 0;
      this.#deliver(rest.subarray(0, this.#length));
      return rest.subarray(this.#length);
    }
    this.#body = Buffer.allocUnsafe(this.#length > this.#maxBytes ? SKIPPED_HEAD_BYTES : this.#length);
    this.#filled = 0;
    return rest;
  }

  #takeBody(bytes: Uint8Array): Uint8Array {
    const body = this.#body!;
    const taken = bytes.subarray(0, this.#length - this.#filled);
    if (this.#filled < body.length) body.set(taken.subarray(0, body.length - this.#filled), this.#filled);
    this.#filled += taken.length;
    if (this.#filled === this.#length) {
      this.#body = undefined;
      this.#prefixFilled = 0;
      if (this.#length > this.#maxBytes) this.#skipped(body);
      else this.#deliver(body);
    }
    return bytes.subarray(taken.length);
  }

  #deliver(body: Uint8Array): void {
    let text: string;
    try {
      text = this.#utf8.decode(body);
    } catch (cause) {
      throw this.#fail('sent a message that is not UTF-8', body, cause);
    }
    let value: unknown;
    let nonFinite = false;
    try {
      try {
        value = parseJson(text);
      } catch (cause) {
        const replaced = cause instanceof SyntaxError ? replaceNonFinite(text) : undefined;
        if (replaced === undefined) throw cause;
        value = parseJson(replaced);
        nonFinite = true;
      }
    } catch (cause) {
      const why = cause instanceof RangeError ? cause.message : 'is not JSON';
      throw this.#fail(`sent a message that ${why}`, body, cause);
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.#fail('sent a JSON value that is not an object', body);
    }
    if (!nonFinite) return this.#sink.message(value as JsonObject);
    const error = new BridgeError(
      'RUNNER_PROTOCOL',
      'The algorithm answered with NaN or Infinity, which JSON does not have: turn such numbers into null or leave them out before returning.',
      { context: { bytes: showBytes(body) } },
    );
    this.#sink.unusable(error, requestIdOf(value as JsonObject));
  }

  /** The whole of a message that is too large has gone by. */
  #skipped(head: Buffer): void {
    const id = /"request_id"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(head.toString('latin1'))?.[1];
    if (id === undefined)
      throw this.#fail(`sent a message of ${this.#length} bytes, more than ${this.#maxBytes}`, head);
    const error = new BridgeError(
      'RUNNER_PROTOCOL',
      `The algorithm's result has ${this.#length} bytes; at most ${this.#maxBytes} are allowed. Return less, such as fewer points or no images in debug, or raise the limit.`,
      { context: { length: this.#length, limit: this.#maxBytes, options: ['maxResultBytes'] } },
    );
    this.#sink.unusable(error, id);
  }

  #fail(what: string, bytes: Uint8Array, cause?: unknown): BridgeError {
    const shown = showBytes(bytes);
    this.#body = undefined;
    this.#prefixFilled = 0;
    const message =
      this.#peer === 'host'
        ? `The host ${what}: ${shown}.`
        : `The algorithm adapter ${what}: ${shown}. Its stdout must carry protocol messages only; print to stderr instead.`;
    this.#failure = new BridgeError('RUNNER_PROTOCOL', message, { context: { bytes: shown }, cause });
    return this.#failure;
  }
}

/**
 * Python's `json.dumps` writes NaN and the infinities bare, which is not JSON and would hide the request id with the
 * rest of the message. Gives the text with `null` in their places; undefined when there are none.
 */
export function replaceNonFinite(text: string): string | undefined {
  let found = false;
  // A string that is never closed is taken to its end, so that each character is looked at once.
  const replaced = text.replace(/"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|-?Infinity|NaN/gs, (match) => {
    if (match.startsWith('"')) return match;
    found = true;
    return 'null';
  });
  return found ? replaced : undefined;
}
