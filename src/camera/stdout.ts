/**
 * The camera's stdout: read whenever the camera says that there is some. Left unread it would announce itself
 * about every 50 ms for ever.
 */
import { BridgeError } from '../errors.js';
import { ChannelId } from '../protocol/index.js';
import { Channel } from './channel.js';
import type { Session } from './session.js';

/**
 * Most that is read at once: four times the ring of the vendor's firmware. A camera that claims more is asked again for
 * the rest.
 */
const MAX_READ = 4 * 1_024;

export class StdoutReader {
  readonly #session: Session;
  readonly #channel: Channel;
  readonly #text: (text: string) => void;
  readonly #stopListening: () => void;
  #decoder = new TextDecoder();
  #running: Promise<boolean> | undefined;
  #again = false;
  readonly #closing = new AbortController();

  /** `text` gets what the camera's script prints, in pieces of any length. */
  constructor(session: Session, text: (text: string) => void) {
    this.#session = session;
    this.#channel = new Channel('stdout', session);
    this.#text = text;
    this.#stopListening = session.onEvent(({ channelId }) => {
      // stdin's events tell of a script's start and end, around which there is something to read.
      if (channelId === ChannelId.STDOUT || channelId === ChannelId.STDIN) void this.drain();
    });
  }

  /** Reads what there is now; resolves to whether the last look found nothing more. */
  drain(): Promise<boolean> {
    if (this.#closing.signal.aborted) return Promise.resolve(true);
    this.#again = true;
    this.#running ??= this.#run();
    return this.#running;
  }

  close(): void {
    this.#stopListening();
    this.#closing.abort();
  }

  async #run(): Promise<boolean> {
    const { signal } = this.#closing;
    let empty = false;
    while (this.#again && !signal.aborted) {
      this.#again = false;
      try {
        empty = await this.#read(signal);
      } catch (error) {
        // A read that a restart came before was not sent: the next event brings what there is then.
        this.#decoder = new TextDecoder();
        empty = false;
        if (!(error instanceof BridgeError) && !signal.aborted) throw error;
      }
    }
    this.#running = undefined;
    return empty;
  }

  /** Whether there was nothing. */
  async #read(signal: AbortSignal): Promise<boolean> {
    // The text there was before a restart need not be there behind it.
    const { session } = this.#session.driver;
    const size = await this.#channel.size(signal);
    if (size === 0) return true;
    const length = Math.min(size, MAX_READ);
    if (size > length) this.#again = true;
    const bytes = new Uint8Array(length);
    try {
      // Each byte is given only once: what is lost on the way cannot be read again.
      const missing = await this.#channel.readInto(bytes, 0, [{ from: 0, to: length }], { session, signal });
      if (missing.length === 0) this.#show(bytes);
      else this.#decoder = new TextDecoder();
    } catch (error) {
      if (!(error instanceof BridgeError) || error.code !== 'CAMERA_REFUSED') throw error;
      // The ring overflowed since its size was asked for: the newest text came, less than expected, and then the
      // refusal. What the text did not reach is zero. Text behind a loss begins with a fresh character.
      this.#decoder = new TextDecoder();
      const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
      this.#show(bytes.subarray(0, end));
      if (end > 0) this.#again = true;
    }
    return false;
  }

  #show(bytes: Uint8Array): void {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text && !this.#closing.signal.aborted) this.#text(text);
  }
}
