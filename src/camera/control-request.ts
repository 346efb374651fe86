/** One request at a time to a script's channel `control`, and the reply that carries the request's number. */
import { z } from 'zod';
import { Mutex, Signal } from '../async.js';
import { BridgeError } from '../errors.js';
import { parseJson } from '../json.js';
import { Channel } from './channel.js';
import type { Session } from './session.js';

/** Bytes that the script takes and that are believed of it. */
const REQUEST_LIMIT = 1_024;
const REPLY_LIMIT = 16 * 1_024;
const REPLY_LIMITS = { maxDepth: 8, maxValues: 1_000 };
/** A change of the frame's form is proven by a capture, which a slow sensor takes its time for. */
const REPLY_MS = 5_000;
/**
 * A request that takes this long may be waiting for a script that has ended: its channels stay and answer. Asked for
 * after this time, and again whenever it has doubled.
 */
const SLOW_MS = 400;
/** Between two looks for the reply, when no event tells of it. */
const FIRST_LOOK_MS = 4;
const LONGEST_LOOK_MS = 100;
/** How often a request is sent whose fate is not known: to set the same value twice does no harm. */
const ATTEMPTS = 6;
const MAX_ID = 0x3fff_ffff;

const replySchema = z.object({
  id: z.int(),
  errors: z.record(z.string(), z.string()).optional(),
  values: z.unknown().optional(),
  trigger: z.string().optional(),
});

export type ControlReply = z.infer<typeof replySchema>;

export class ControlRequests {
  readonly #channel: Channel;
  readonly #session: Session;
  readonly #stdin: Channel;
  readonly #turns = new Mutex();
  /** Begins anywhere, so that a reply to a host before this one is not taken for ours. */
  #id = Math.floor(Math.random() * MAX_ID);

  constructor(channel: Channel, session: Session) {
    this.#channel = channel;
    this.#session = session;
    this.#stdin = new Channel('stdin', session);
  }

  /**
   * Sends a request after those before it and resolves to its reply; `make` is called when its turn has come.
   * CHANNEL_MISSING, CAMERA_*, OPTION_INVALID.
   */
  send(make: () => Readonly<Record<string, unknown>>, signal?: AbortSignal): Promise<ControlReply> {
    return this.#turns.run(() => this.#repeat(make(), signal), signal);
  }

  /** The channel's shape: bytes of the reply, its number, and the script's trigger mode; undefined: there is no such channel. */
  async shape(signal?: AbortSignal): Promise<number[] | undefined> {
    const channels = await this.#session.channels(signal);
    return channels.some(({ name }) => name === this.#channel.name) ? this.#channel.shape(signal) : undefined;
  }

  async #repeat(
    request: Readonly<Record<string, unknown>>,
    signal: AbortSignal | undefined,
  ): Promise<ControlReply> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#exchange(request, signal);
      } catch (error) {
        if (!(error instanceof BridgeError)) throw error;
        if (error.code === 'CHANNEL_MISSING' && error.context['channel'] !== undefined) throw missing(error);
        const passing = error.code === 'CAMERA_SILENT' || error.code === 'CAMERA_PROTOCOL';
        if (!passing || error.context['unanswered'] === true || attempt >= ATTEMPTS) throw error;
      }
    }
  }

  async #exchange(
    request: Readonly<Record<string, unknown>>,
    signal: AbortSignal | undefined,
  ): Promise<ControlReply> {
    if (this.#session.recorded) {
      throw new BridgeError('UNSUPPORTED', 'This is a recording: there is no sensor to set or to ask.');
    }
    if (!this.#session.driver.open) throw away();
    this.#id = (this.#id % MAX_ID) + 1;
    const id = this.#id;
    const bytes = new TextEncoder().encode(`${JSON.stringify({ id, ...request })}\n`);
    if (bytes.length > REQUEST_LIMIT) {
      throw new BridgeError(
        'OPTION_INVALID',
        `A control request has at most ${REQUEST_LIMIT} bytes, this one ${bytes.length}: set fewer things at once.`,
      );
    }
    const event = new Signal(this.#session.clock);
    const stopListening = this.#session.onEvent(() => event.set());
    try {
      const channelId = await this.#channel.id(signal);
      await this.#channel.write(bytes, 0, signal);
      const begun = this.#session.clock.now();
      let slow = SLOW_MS;
      for (let look = FIRST_LOOK_MS; ; look = Math.min(LONGEST_LOOK_MS, look * 1.5)) {
        event.clear();
        const [size, answered] = await this.#channel.shape(signal);
        if (answered === id && size !== undefined) return await this.#read(size, id, signal);
        const waited = this.#session.clock.now() - begun;
        if (waited > REPLY_MS) throw unanswered();
        if (waited > slow) {
          slow *= 2;
          await this.#checkScript(channelId, signal);
        }
        await event.wait(look, signal);
      }
    } finally {
      stopListening();
    }
  }

  /** Whether the script that has the request still runs: it may have ended, or another one have begun behind it. */
  async #checkScript(channelId: number, signal: AbortSignal | undefined): Promise<void> {
    if (!(await this.#stdin.poll(signal))) throw notRunning();
    this.#session.invalidate();
    if ((await this.#channel.id(signal)) === channelId) return;
    throw new BridgeError(
      'CAMERA_PROTOCOL',
      "Another script has begun since, and answers the camera's settings.",
    );
  }

  async #read(size: number, id: number, signal: AbortSignal | undefined): Promise<ControlReply> {
    if (size < 2 || size > REPLY_LIMIT) throw malformed(`it has ${size} bytes`);
    const bytes = await this.#channel.read({ length: size, signal });
    let reply: ControlReply;
    try {
      reply = replySchema.parse(parseJson(new TextDecoder().decode(bytes), REPLY_LIMITS));
    } catch (cause) {
      const why = cause instanceof RangeError ? `it ${cause.message}` : 'it is not the JSON expected';
      throw malformed(why, cause);
    }
    if (reply.id !== id) throw malformed('it answers another request');
    return reply;
  }
}

function away(): BridgeError {
  return new BridgeError(
    'PORT_CLOSED',
    'The camera is not connected now: its settings can be changed when it is back.',
  );
}

function missing(cause: BridgeError): BridgeError {
  return new BridgeError(
    'CHANNEL_MISSING',
    'The script on the camera has no channel `control`, so its settings cannot be changed: the script has none. Run firmware/frame_channel.py on the camera.',
    { context: cause.context, cause },
  );
}

function notRunning(): BridgeError {
  return new BridgeError(
    'CHANNEL_MISSING',
    'No script runs on the camera that could change its settings: run firmware/frame_channel.py on it.',
  );
}

function unanswered(): BridgeError {
  return new BridgeError(
    'CAMERA_SILENT',
    `The camera's script did not answer the control request within ${REPLY_MS / 1_000} s. Is it still running?`,
    { context: { unanswered: true } },
  );
}

function malformed(what: string, cause?: unknown): BridgeError {
  return new BridgeError('CAMERA_PROTOCOL', `The control channel's reply cannot be used: ${what}.`, {
    cause,
  });
}
