/** A small host for tests: requests by channel name, scripts, stdout, frames; on the real host link. */
import type { ByteStream } from '../../../src/link/byte-stream.js';
import { LinkDriver } from '../../../src/link/link-driver.js';
import type { LinkOutcome, LinkRequest, LossReason } from '../../../src/link/link-types.js';
import { ChannelId, Opcode, StdinIoctl } from '../../../src/protocol/constants.js';
import {
  type ChannelEntry,
  decodeChannelList,
  decodeShape,
  decodeWord,
  encodeIoctlRequest,
  encodeIoRequest,
} from '../../../src/protocol/index.js';

const NOTHING = new Uint8Array(0);

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `condition` gives something; fails loudly when it does not. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeoutMs = 20_000,
): Promise<NonNullable<T>> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value) return value as NonNullable<T>;
    if (performance.now() > end) throw new Error(`waited in vain for ${what}`);
    await sleep(5);
  }
}

export class TestHost {
  readonly driver: LinkDriver;
  readonly events: { channel: number; event: number }[] = [];
  readonly resyncs: LossReason[] = [];
  closed: { error?: unknown } | undefined;
  #bell: (() => void) | undefined;

  private constructor(stream: ByteStream, ack: boolean, events: boolean, maxPayload: number) {
    this.driver = new LinkDriver(
      stream,
      { wanted: { crc: true, sequence: true, ack, events, maxPayload } },
      {
        event: (channel, event) => {
          this.events.push({ channel, event });
          this.#bell?.();
        },
        resynced: (reason) => this.resyncs.push(reason),
        closed: (error) => {
          this.closed = { error };
          this.#bell?.();
        },
      },
    );
  }

  static async connect(
    stream: ByteStream,
    { ack = false, events = true, maxPayload = 16_384 } = {},
  ): Promise<TestHost> {
    const host = new TestHost(stream, ack, events, maxPayload);
    await host.driver.connect();
    return host;
  }

  /** Repeats requests that only ask; others are sent once. */
  request(
    opcode: number,
    channel: number,
    payload: Uint8Array = NOTHING,
    extra: Partial<LinkRequest> = {},
  ): Promise<LinkOutcome> {
    // On a busy machine the camera's thread may get its turn late.
    return this.driver.request({ opcode, channel, payload, attempts: 1, timeoutMs: 5_000, ...extra });
  }

  async query(opcode: number, channel: number): Promise<Uint8Array> {
    const ask = () => this.request(opcode, channel, NOTHING, { attempts: 5 });
    let outcome = await ask();
    // The end of a script takes the question with it.
    if (outcome.kind === 'lost' && outcome.reason === 'reboot') outcome = await ask();
    if (outcome.kind !== 'reply') throw new Error(`no reply but ${JSON.stringify(outcome)}`);
    return outcome.payload;
  }

  async channels(): Promise<ChannelEntry[]> {
    return decodeChannelList(await this.query(Opcode.CHANNEL_LIST, 0));
  }

  /** The highest id with that name, waited for. */
  channel(name: string): Promise<number> {
    return until(`channel ${name}`, async () => {
      const found = (await this.channels()).filter((entry) => entry.name === name);
      return found.at(-1)?.id;
    });
  }

  async size(channel: number): Promise<number> {
    return decodeWord(await this.query(Opcode.CHANNEL_SIZE, channel), 'size');
  }

  async shape(channel: number): Promise<number[]> {
    return decodeShape(await this.query(Opcode.CHANNEL_SHAPE, channel));
  }

  async poll(channel: number): Promise<boolean> {
    return ((decodeWord(await this.query(Opcode.CHANNEL_POLL, 0), 'poll') >>> channel) & 1) === 1;
  }

  /** A READ with its outcome. */
  async tryRead(
    channel: number,
    offset: number,
    length: number,
    bytes: Uint8Array = new Uint8Array(length),
  ): Promise<{ outcome: LinkOutcome; bytes: Uint8Array }> {
    const outcome = await this.request(Opcode.CHANNEL_READ, channel, encodeIoRequest(offset, length), {
      destination: bytes,
    });
    return { outcome, bytes };
  }

  async read(channel: number, offset: number, length: number): Promise<Uint8Array> {
    const { outcome, bytes } = await this.tryRead(channel, offset, length);
    if (outcome.kind !== 'read' || outcome.missing.length > 0)
      throw new Error(`read: ${JSON.stringify(outcome)}`);
    return bytes;
  }

  write(channel: number, offset: number, data: Uint8Array): Promise<LinkOutcome> {
    return this.request(Opcode.CHANNEL_WRITE, channel, encodeIoRequest(offset, data.length, data));
  }

  ioctl(channel: number, request: number, argument?: Uint8Array): Promise<LinkOutcome> {
    return this.request(Opcode.CHANNEL_IOCTL, channel, encodeIoctlRequest(request, argument));
  }

  /** What the camera has printed since it was last asked. */
  async stdout(): Promise<string> {
    const asked = await this.request(Opcode.CHANNEL_SIZE, ChannelId.STDOUT);
    // The end of a script takes the question with it.
    const length = asked.kind === 'reply' ? decodeWord(asked.payload, 'size') : 0;
    if (length === 0) return '';
    const { outcome, bytes } = await this.tryRead(ChannelId.STDOUT, 0, length);
    return outcome.kind === 'read' && outcome.missing.length === 0 ? new TextDecoder().decode(bytes) : '';
  }

  /** Collects stdout until it contains `text`. */
  async stdoutUntil(text: string): Promise<string> {
    let all = '';
    await until(`"${text}" on stdout`, async () => {
      all += await this.stdout();
      return all.includes(text);
    }).catch((error: Error) => {
      throw new Error(`${error.message}; it has: ${all}`);
    });
    return all;
  }

  running(): Promise<boolean> {
    return this.poll(ChannelId.STDIN);
  }

  /** Stops what runs and waits for its end, a soft reboot that follows included. */
  async stop(): Promise<void> {
    if (!(await this.running())) return;
    await this.ioctl(ChannelId.STDIN, StdinIoctl.STOP);
    await until('the script to stop', async () => !(await this.running()));
  }

  /** Uploads a script without running it. */
  async upload(script: string): Promise<void> {
    await this.ioctl(ChannelId.STDIN, StdinIoctl.RESET);
    const bytes = new TextEncoder().encode(script);
    const piece = this.driver.caps.maxPayload - 8;
    for (let at = 0; at < bytes.length; at += piece) {
      await this.write(ChannelId.STDIN, at, bytes.subarray(at, at + piece));
    }
  }

  /** Uploads and starts; the camera must not be running another uploaded script. */
  async exec(script: string): Promise<void> {
    await this.upload(script);
    await this.ioctl(ChannelId.STDIN, StdinIoctl.EXEC);
  }

  /** The next event of a channel that is already here or comes. */
  async event(channel: number, event: number): Promise<void> {
    await until(`event ${event} of channel ${channel}`, () =>
      this.events.some((seen) => seen.channel === channel && seen.event === event),
    );
  }

  /** Frames of which a part was late; the camera may hold them for passed on. */
  lost = 0;

  /** The next frame of a channel that has `poll`; `into`: where it goes, when it need not outlive the next. */
  async frame(channel: number, into?: Uint8Array): Promise<Uint8Array> {
    for (;;) {
      if (this.closed) throw new Error('the line was closed');
      const bell = new Promise<void>((resolve) => {
        this.#bell = resolve;
      });
      const ready = await this.poll(channel);
      if (ready) {
        const length = await this.size(channel);
        const { outcome, bytes } = await this.tryRead(channel, 0, length, into?.subarray(0, length));
        if (outcome.kind === 'read' && outcome.missing.length === 0) return bytes;
        this.lost++;
        continue;
      }
      await Promise.race([bell, sleep(50)]);
    }
  }

  close(): Promise<void> {
    return this.driver.close();
  }
}
