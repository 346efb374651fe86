/**
 * The part of a connection that channels, scripts and stdout share: requests by opcode, the channel table, and
 * notice of what makes the table out of date.
 */
import { abortable, type Clock } from '../async.js';
import { BridgeError } from '../errors.js';
import type { LinkDriver, LinkOutcome, LinkRequest } from '../link/index.js';
import { type ChannelEntry, decodeChannelList, Opcode, SystemEvent } from '../protocol/index.js';
import { ANSWERED, noCamera } from '../replay/index.js';
import { expectAck, expectReply } from './outcome.js';

/** How often a request is sent that does no harm when it is carried out twice. */
const ATTEMPTS = 5;
const NOTHING = new Uint8Array(0);

export interface ChannelEvent {
  readonly channelId: number;
  readonly event: number;
}

export class Session {
  readonly #driver: LinkDriver;
  readonly #listeners = new Set<(event: ChannelEvent) => void>();
  /** The camera is a recording, which takes no commands. */
  recorded = false;
  /** Of that recording there are frames alone: requests end in UNSUPPORTED. */
  framesOnly = false;
  #table: Promise<ChannelEntry[]> | undefined;
  /** Goes up when the channel table may be out of date. */
  #generation = 0;
  /** Goes up at each restart of the camera's interpreter. */
  #reboots = 0;

  constructor(driver: LinkDriver) {
    this.#driver = driver;
  }

  get driver(): LinkDriver {
    return this.#driver;
  }

  /** What waits for the camera are measured with. */
  get clock(): Clock {
    return this.#driver.clock;
  }

  get generation(): number {
    return this.#generation;
  }

  get reboots(): number {
    return this.#reboots;
  }

  /** From the driver: an event of the camera. */
  take(channelId: number, event: number): void {
    if (channelId === 0) {
      if (event === SystemEvent.SOFT_REBOOT) this.#reboots++;
      this.invalidate();
    }
    const told = { channelId, event };
    for (const listener of this.#listeners) listener(told);
  }

  /** Calls back for every event of the camera; returns how to stop. */
  onEvent(listener: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** The channel table will be read again when it is next needed. */
  invalidate(): void {
    this.#generation++;
    this.#table = undefined;
  }

  request(
    opcode: number,
    channel: number,
    payload: Uint8Array = NOTHING,
    { signal, ...extra }: Partial<LinkRequest> & { signal?: AbortSignal | undefined } = {},
  ): Promise<LinkOutcome> {
    if (this.framesOnly && !ANSWERED.has(opcode)) return Promise.reject(noCamera());
    return this.#driver.request({ opcode, channel, payload, attempts: 1, ...extra }, signal);
  }

  /** A request that may be repeated: it only asks. */
  query(opcode: number, channel = 0, signal?: AbortSignal, prompt = false): Promise<LinkOutcome> {
    return this.request(opcode, channel, NOTHING, { attempts: ATTEMPTS, quick: true, prompt, signal });
  }

  /** The payload of the reply to a question. `name`: the channel's, for the error. */
  async ask(
    opcode: number,
    channel = 0,
    name = '',
    signal?: AbortSignal,
    prompt = false,
  ): Promise<Uint8Array> {
    return expectReply(await this.query(opcode, channel, signal, prompt), opcode, name);
  }

  /** A request that changes something: sent once, and answered without data. */
  async command(
    opcode: number,
    channel: number,
    payload: Uint8Array | undefined,
    name: string,
    signal?: AbortSignal,
  ): Promise<void> {
    expectAck(await this.request(opcode, channel, payload, { signal }), opcode, name);
  }

  /** The channels, from the table or read again. Callers that ask at once share one request: a signal ends only its own wait. */
  channels(signal?: AbortSignal): Promise<ChannelEntry[]> {
    if (!this.#table) {
      const reading = this.ask(Opcode.CHANNEL_LIST).then(decodeChannelList);
      reading.catch(() => {
        if (this.#table === reading) this.#table = undefined;
      });
      this.#table = reading;
    }
    return abortable(this.#table, signal);
  }

  /**
   * Id of the channel of that name: the highest one when there are several, because a stopped script's channels
   * stay in the table and a new script registers behind them. CHANNEL_MISSING names those that exist.
   */
  async idOf(name: string, signal?: AbortSignal): Promise<number> {
    const channels = await this.channels(signal);
    const same = channels.filter((channel) => channel.name === name);
    if (same.length > 0) return Math.max(...same.map(({ id }) => id));
    const names = channels.map((channel) => channel.name);
    throw new BridgeError(
      'CHANNEL_MISSING',
      `The camera has no channel \`${name}\` (it has ${names.join(', ') || 'none'}). Run a script that registers it, such as firmware/frame_channel.py, on the camera.`,
      { context: { channel: name, channels: names } },
    );
  }
}
