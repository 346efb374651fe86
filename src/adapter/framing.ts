import { BridgeError } from '../errors.js';
import { replaceNonFinite } from './non-finite.js';

/**
 * The wire form of the algorithm adapter protocol: a 4-byte big-endian length and that many bytes of UTF-8 JSON,
 * one object a message (ProcVision's protocol_adapter_spec, "frame format").
 */

/** Largest JSON body in bytes, in either direction. Stray text read as a length is nearly always above it. */
export const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;

const PREFIX_BYTES = 4;
const SHOWN_BYTES = 32;

export type JsonObject = Record<string, unknown>;

/** The first bytes as a person wants to see them in an error: printable text, then the same in hex. */
export function showBytes(bytes: Uint8Array, limit = SHOWN_BYTES): string {
  const head = bytes.subarray(0, limit);
  let text = '';
  for (const byte of head) text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
  const hex = Array.from(head, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const more = bytes.length > limit ? ', ...' : '';
  return `"${text}" (hex ${hex}${more})`;
}

/** Whether a person would read the bytes as text: a stray print, and no length. */
function isText(bytes: Uint8Array): boolean {
  return bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || (byte >= 0x09 && byte <= 0x0d));
}

/**
 * One message as bytes for the adapter's stdin. Ends in OPTION_INVALID when the message cannot be written as
 * JSON or is larger than `MAX_MESSAGE_BYTES`; both come from settings such as the user parameters.
 */
export function encodeMessage(message: object): Buffer {
  let text: string;
  try {
    text = JSON.stringify(message);
  } catch (cause) {
    throw new BridgeError(
      'OPTION_INVALID',
      'A message for the algorithm cannot be written as JSON: use plain values only.',
      { cause },
    );
  }
  const length = Buffer.byteLength(text, 'utf8');
  if (length > MAX_MESSAGE_BYTES) {
    throw new BridgeError(
      'OPTION_INVALID',
      `A message for the algorithm has ${length} bytes; at most ${MAX_MESSAGE_BYTES} are allowed. Make the user parameters or the guide information smaller.`,
      { context: { length, limit: MAX_MESSAGE_BYTES } },
    );
  }
  const frame = Buffer.allocUnsafe(PREFIX_BYTES + length);
  frame.writeUInt32BE(length, 0);
  frame.write(text, PREFIX_BYTES, 'utf8');
  return frame;
}

/** Where decoded messages go. */
export interface MessageSink {
  /** A whole, valid JSON object. */
  message(value: JsonObject): void;
  /**
   * An object that held NaN or an infinity; `value` has `null` in their places. The message is unusable (`error`
   * is RUNNER_PROTOCOL), but its request id can be read and the stream goes on.
   */
  nonFinite(value: JsonObject, error: BridgeError): void;
}

/**
 * Cuts a byte stream back into messages, whatever its chunking. Holds at most one message of
 * `MAX_MESSAGE_BYTES`. The first broken frame poisons the decoder: there is no mark in the stream by which a
 * reader could find the next one.
 */
export class MessageDecoder {
  readonly #sink: MessageSink;
  readonly #utf8 = new TextDecoder('utf-8', { fatal: true });
  readonly #prefix = Buffer.alloc(PREFIX_BYTES);
  #prefixFilled = 0;
  #body: Buffer | undefined;
  #bodyFilled = 0;
  #failure: BridgeError | undefined;

  constructor(sink: MessageSink) {
    this.#sink = sink;
  }

  /** The bytes of a message that has begun and is not complete; empty between messages. */
  get partial(): Uint8Array {
    if (this.#body === undefined) return this.#prefix.subarray(0, this.#prefixFilled);
    return Buffer.concat([this.#prefix, this.#body.subarray(0, this.#bodyFilled)]);
  }

  /** True between the first and the last byte of a message. */
  get midMessage(): boolean {
    return this.#prefixFilled > 0;
  }

  /** Takes the next bytes. Throws RUNNER_PROTOCOL at the first broken frame, and again ever after. */
  push(chunk: Uint8Array): void {
    if (this.#failure !== undefined) throw this.#failure;
    let rest = chunk;
    while (rest.length > 0) rest = this.#body === undefined ? this.#takePrefix(rest) : this.#takeBody(rest);
  }

  #takePrefix(bytes: Uint8Array): Uint8Array {
    const wanted = Math.min(PREFIX_BYTES - this.#prefixFilled, bytes.length);
    this.#prefix.set(bytes.subarray(0, wanted), this.#prefixFilled);
    this.#prefixFilled += wanted;
    const rest = bytes.subarray(wanted);
    if (this.#prefixFilled < PREFIX_BYTES) return rest;

    const length = this.#prefix.readUInt32BE(0);
    if (length === 0 || length > MAX_MESSAGE_BYTES) {
      const seen = Buffer.concat([this.#prefix, rest.subarray(0, SHOWN_BYTES)]);
      if (isText(this.#prefix)) throw this.#fail('wrote to stdout what is no message', seen);
      const what = length === 0 ? 'a message of no bytes' : `a message of ${length} bytes`;
      throw this.#fail(`announced ${what} (1 to ${MAX_MESSAGE_BYTES} are allowed)`, seen);
    }
    if (rest.length >= length) {
      // The usual case, the whole message in one chunk: read where it lies.
      this.#prefixFilled = 0;
      this.#deliver(rest.subarray(0, length));
      return rest.subarray(length);
    }
    this.#body = Buffer.allocUnsafe(length);
    this.#bodyFilled = 0;
    return rest;
  }

  #takeBody(bytes: Uint8Array): Uint8Array {
    const body = this.#body!;
    const wanted = Math.min(body.length - this.#bodyFilled, bytes.length);
    body.set(bytes.subarray(0, wanted), this.#bodyFilled);
    this.#bodyFilled += wanted;
    if (this.#bodyFilled === body.length) {
      this.#body = undefined;
      this.#prefixFilled = 0;
      this.#deliver(body);
    }
    return bytes.subarray(wanted);
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
      value = JSON.parse(text);
    } catch (cause) {
      const repaired = replaceNonFinite(text);
      if (repaired === undefined) throw this.#fail('sent a message that is not JSON', body, cause);
      try {
        value = JSON.parse(repaired);
      } catch {
        throw this.#fail('sent a message that is not JSON', body, cause);
      }
      nonFinite = true;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw this.#fail('sent a JSON value that is not an object', body);
    }
    if (!nonFinite) {
      this.#sink.message(value as JsonObject);
      return;
    }
    const error = new BridgeError(
      'RUNNER_PROTOCOL',
      'The algorithm answered with NaN or Infinity, which JSON does not have: turn such numbers into null or leave them out before returning.',
      { context: { bytes: showBytes(body) } },
    );
    this.#sink.nonFinite(value as JsonObject, error);
  }

  #fail(what: string, bytes: Uint8Array, cause?: unknown): BridgeError {
    const shown = showBytes(bytes);
    this.#body = undefined;
    this.#prefixFilled = 0;
    this.#failure = new BridgeError(
      'RUNNER_PROTOCOL',
      `The algorithm adapter ${what}: ${shown}. Its stdout must carry protocol messages only; print to stderr instead.`,
      { context: { bytes: shown }, cause },
    );
    return this.#failure;
  }
}
