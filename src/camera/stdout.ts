/**
 * The camera's stdout: read whenever the camera says that there is some. Left unread it would announce itself
 * about every 50 ms for ever.
 */
import { BridgeError } from '../errors.js';
import { ChannelId } from '../protocol/constants.js';
import { Channel } from './channel.js';
import type { Session } from './session.js';

export class StdoutReader {
  readonly #channel: Channel;
  readonly #text: (text: string) => void;
  readonly #stopListening: () => void;
  #decoder = new TextDecoder();
  #reading = false;
  #again = false;
  #closed = false;

  /** `text` gets what the camera's script prints, in pieces of any length. */
  constructor(session: Session, text: (text: string) => void) {
    this.#channel = new Channel('stdout', session);
    this.#text = text;
    this.#stopListening = session.onEvent(({ channelId }) => {
      // stdin's events tell of a script's start and end, around which there is something to read.
      if (channelId === ChannelId.STDOUT || channelId === ChannelId.STDIN) this.drain();
    });
  }

  /** Reads what there is now. */
  drain(): void {
    if (this.#closed) return;
    this.#again = true;
    if (!this.#reading) void this.#run();
  }

  close(): void {
    this.#closed = true;
    this.#stopListening();
  }

  async #run(): Promise<void> {
    this.#reading = true;
    while (this.#again && !this.#closed) {
      this.#again = false;
      try {
        const length = await this.#channel.size();
        if (length === 0) continue;
        // Each byte is given only once: what is lost on the way cannot be read again.
        const bytes = await this.#channel.read({ length, repair: false });
        const text = this.#decoder.decode(bytes, { stream: true });
        if (text && !this.#closed) this.#text(text);
      } catch (error) {
        // A read that races an overflow is refused, and one that races a restart is lost: the next event
        // brings what there is then. Text behind a loss begins with a fresh character.
        this.#decoder = new TextDecoder();
        if (!(error instanceof BridgeError)) throw error;
      }
    }
    this.#reading = false;
  }
}
