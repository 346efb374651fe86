/** An AbortSignal ends what waits on the link: at once, with its reason, and nothing stays behind. */
import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { BridgeError } from '../../../src/errors.js';
import { LinkDriver } from '../../../src/link/link-driver.js';
import { Flag, Opcode } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { FakeStream } from './fake-stream.js';
import { bufferChannel, pattern } from './support.js';

const reason = new Error('the state was left');
const version = { opcode: Opcode.PROTO_VERSION, channel: 0, payload: new Uint8Array(0) };

function driverOn(stream: FakeStream): { driver: LinkDriver; closed: (BridgeError | undefined)[] } {
  const closed: (BridgeError | undefined)[] = [];
  const driver = new LinkDriver(
    stream,
    { wanted: { crc: true, sequence: true, ack: false, events: true, maxPayload: 4_082 } },
    { event: () => undefined, resynced: () => undefined, closed: (error) => closed.push(error) },
  );
  return { driver, closed };
}

/** How `promise` has ended when no time has passed since. */
async function now(promise: Promise<unknown>): Promise<unknown> {
  let ended: unknown = 'pending';
  promise.then(
    (value) => {
      ended = value;
    },
    (error: unknown) => {
      ended = error;
    },
  );
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  return ended;
}

const listeners = ({ signal }: AbortController): number => getEventListeners(signal, 'abort').length;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

async function connected(stream: FakeStream): Promise<LinkDriver> {
  const { driver } = driverOn(stream);
  const connecting = driver.connect();
  await vi.advanceTimersByTimeAsync(5);
  await connecting;
  return driver;
}

/** Lets the device answer `answers` packets, then nothing any more. */
class StreamThatStops extends FakeStream {
  readonly #opcode: number;
  constructor(opcode: number) {
    super();
    this.#opcode = opcode;
  }
  protected override packet(bytes: Uint8Array): void {
    if (bytes[5] !== this.#opcode) super.packet(bytes);
  }
}

it.each([
  ['SYNC', Opcode.PROTO_SYNC],
  ['GET_CAPS', Opcode.PROTO_GET_CAPS],
  ['SET_CAPS', Opcode.PROTO_SET_CAPS],
])('connect, while %s is not answered', async (_name, opcode) => {
  const stream = new StreamThatStops(opcode);
  const { driver, closed } = driverOn(stream);
  const abort = new AbortController();
  const connecting = driver.connect({ signal: abort.signal });
  await vi.advanceTimersByTimeAsync(20);
  abort.abort(reason);
  expect(await now(connecting)).toBe(reason);
  expect(vi.getTimerCount()).toBe(0);
  expect(listeners(abort)).toBe(0);
  expect(stream.closes).toBe(1);
  expect(closed).toEqual([undefined]);
  expect(driver.open).toBe(false);
});

it('connect under a signal that was aborted before: nothing is sent', async () => {
  const stream = new FakeStream();
  const { driver } = driverOn(stream);
  await expect(driver.connect({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  expect(stream.writes).toBe(0);
  expect(stream.closes).toBe(1);
  expect(vi.getTimerCount()).toBe(0);
});

it('a signal that is aborted after connect does nothing', async () => {
  const stream = new FakeStream();
  const { driver } = driverOn(stream);
  const abort = new AbortController();
  const connecting = driver.connect({ signal: abort.signal });
  await vi.advanceTimersByTimeAsync(5);
  await connecting;
  expect(listeners(abort)).toBe(0);
  abort.abort(reason);
  expect(driver.open).toBe(true);
  await driver.close();
});

it('a request under way: it is not repeated, and the next one is answered', async () => {
  const stream = new FakeStream();
  const driver = await connected(stream);
  stream.mute = true;
  const abort = new AbortController();
  const asked = driver.request({ ...version, attempts: 5 }, abort.signal);
  await vi.advanceTimersByTimeAsync(5);
  abort.abort(reason);
  expect(await now(asked)).toBe(reason);
  expect(listeners(abort)).toBe(0);
  stream.mute = false;
  const next = driver.request({ ...version, attempts: 1 });
  await vi.advanceTimersByTimeAsync(1_000);
  expect((await next).kind).toBe('reply');
  expect(driver.stats).toMatchObject({ requests: 2, retries: 0, resyncs: 1 });
  await driver.close();
  expect(vi.getTimerCount()).toBe(0);
});

it('a request that waits for its turn: it is never sent', async () => {
  const stream = new FakeStream();
  const driver = await connected(stream);
  const abort = new AbortController();
  const first = driver.request({ ...version, attempts: 1 });
  const second = driver.request({ ...version, attempts: 1 }, abort.signal);
  abort.abort(reason);
  expect(await now(second)).toBe(reason);
  expect(await now(driver.request({ ...version, attempts: 1 }, abort.signal))).toBe(reason);
  await vi.advanceTimersByTimeAsync(10);
  expect((await first).kind).toBe('reply');
  expect(driver.stats.requests).toBe(1);
  await driver.close();
});

it('a READ under way: nothing is written to its buffer any more, and no listener stays when it is answered', async () => {
  const stream = new FakeStream();
  const driver = await connected(stream);
  const data = pattern(40_000);
  const id = stream.device.register(bufferChannel(data));
  let readFragments = 0;
  const feed = stream.feed.bind(stream);
  const abort = new AbortController();
  stream.feed = (bytes) => {
    if (bytes[5] !== Opcode.CHANNEL_READ || ++readFragments !== 4) return feed(bytes);
    // In the middle of a packet: its beginning stands in the buffer, its rest must not.
    feed(bytes.subarray(0, 1_000));
    abort.abort(reason);
    destination.fill(0x55);
    feed(bytes.subarray(1_000));
    expect((bytes[4]! & Flag.FRAGMENT) !== 0).toBe(true);
  };
  const read = (signal?: AbortSignal): Promise<unknown> =>
    driver.request(
      {
        opcode: Opcode.CHANNEL_READ,
        channel: id,
        payload: encodeIoRequest(0, data.length),
        attempts: 1,
        destination,
      },
      signal,
    );
  const destination = new Uint8Array(data.length);
  const reading = expect(read(abort.signal)).rejects.toBe(reason);
  await vi.advanceTimersByTimeAsync(100);
  await reading;
  expect(destination.every((byte) => byte === 0x55)).toBe(true);
  expect(readFragments).toBe(Math.ceil(data.length / 4_082));
  const again = new AbortController();
  const whole = read(again.signal);
  await vi.advanceTimersByTimeAsync(100);
  expect(await whole).toEqual({ kind: 'read', missing: [] });
  expect(Buffer.compare(destination, data)).toBe(0);
  expect(listeners(again)).toBe(0);
  expect(driver.stats.resyncs).toBe(0);
  await driver.close();
});
