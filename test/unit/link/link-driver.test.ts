import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BridgeError } from '../../../src/errors.js';
import { LinkDriver, type LinkDriverHandlers } from '../../../src/link/link-driver.js';
import { HOST_TIMING } from '../../../src/link/timing.js';
import { Opcode, SystemEvent } from '../../../src/protocol/constants.js';
import type { Capabilities } from '../../../src/protocol/index.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { FakeStream } from './fake-stream.js';
import { bufferChannel, pattern } from './support.js';

const WANTED: Capabilities = { crc: true, sequence: true, ack: true, events: true, maxPayload: 8_178 };
const NOTHING = new Uint8Array(0);
const version = { opcode: Opcode.PROTO_VERSION, channel: 0, payload: NOTHING, attempts: 1 };

interface Seen {
  readonly events: [number, number][];
  readonly resyncs: string[];
  readonly closed: (BridgeError | undefined)[];
}

function driverOn(
  stream: FakeStream,
  wanted: Partial<Capabilities> = {},
  handlers: Partial<LinkDriverHandlers> = {},
): { driver: LinkDriver; seen: Seen } {
  const seen: Seen = { events: [], resyncs: [], closed: [] };
  const driver = new LinkDriver(
    stream,
    { wanted: { ...WANTED, ...wanted } },
    {
      event: (channel, event) => seen.events.push([channel, event]),
      resynced: (reason) => seen.resyncs.push(reason),
      closed: (error) => seen.closed.push(error),
      ...handlers,
    },
  );
  return { driver, seen };
}

describe('a driver on a line that works', () => {
  it.each([true, false])('connects, asks and reads, acks %s', async (ack) => {
    const stream = new FakeStream();
    const data = pattern(30_000);
    const id = stream.device.register(bufferChannel(data));
    const { driver, seen } = driverOn(stream, { ack });
    expect(await driver.connect()).toEqual({ ...WANTED, ack, maxPayload: 4_082 });
    expect(driver.open).toBe(true);
    const destination = new Uint8Array(30_000);
    const payload = encodeIoRequest(0, 30_000);
    const [first, second] = await Promise.all([
      driver.request({ opcode: Opcode.CHANNEL_READ, channel: id, payload, attempts: 1, destination }),
      driver.request(version),
    ]);
    expect(first).toEqual({ kind: 'read', missing: [] });
    expect(Buffer.compare(destination, data)).toBe(0);
    expect(second.kind).toBe('reply');
    expect(driver.stats).toMatchObject({ requests: 2, resyncs: 0 });
    expect(seen).toEqual({ events: [[0, SystemEvent.CHANNEL_REGISTERED]], resyncs: [], closed: [] });
    await driver.close();
    expect(seen.closed).toEqual([undefined]);
  });

  it('reports events and resynchronisations', async () => {
    const stream = new FakeStream();
    const { driver, seen } = driverOn(stream);
    await driver.connect();
    stream.device.sendEvent(5, 9, false, performance.now());
    stream.device.sendEvent(0, SystemEvent.SOFT_REBOOT, false, performance.now());
    stream.device.reset();
    await vi.waitFor(() => expect(seen.resyncs).toEqual(['reboot']));
    expect(seen.events).toEqual([
      [5, 9],
      [0, SystemEvent.SOFT_REBOOT],
    ]);
    driver.resync();
    await vi.waitFor(() => expect(seen.resyncs).toEqual(['reboot', 'timeout']));
    expect((await driver.request(version)).kind).toBe('reply');
    await driver.close();
  });

  it('keeps to the negotiated payload while it resynchronises: requests made then fit afterwards', async () => {
    const stream = new FakeStream(498);
    const id = stream.device.register({ name: 'in', flags: 2, write: (_offset, data) => data.length });
    const { driver } = driverOn(stream, { ack: false, crc: false });
    await driver.connect();
    driver.resync();
    expect(driver.caps).toEqual({ ...WANTED, ack: false, crc: false, maxPayload: 498 });
    const payload = encodeIoRequest(0, 490, pattern(driver.caps.maxPayload - 8));
    expect(await driver.request({ opcode: Opcode.CHANNEL_WRITE, channel: id, payload, attempts: 1 })).toEqual(
      { kind: 'ack' },
    );
    await driver.close();
  });
});

describe('a line that ends', () => {
  it('settles what is under way and what waits as lost, and says so once', async () => {
    const stream = new FakeStream();
    const { driver, seen } = driverOn(stream);
    await driver.connect();
    stream.mute = true;
    const requests = [driver.request(version), driver.request(version)];
    stream.unplug();
    expect(await Promise.all(requests)).toEqual(new Array(2).fill({ kind: 'lost', reason: 'closed' }));
    expect(driver.open).toBe(false);
    expect(await driver.request(version)).toEqual({ kind: 'lost', reason: 'closed' });
    await driver.close();
    await driver.close();
    expect(seen.closed.map((error) => error?.code)).toEqual(['PORT_CLOSED']);
    expect(seen.closed[0]?.message).toBe('The camera was unplugged.');
  });

  it('without a reason has one all the same', async () => {
    const stream = new FakeStream();
    const { driver, seen } = driverOn(stream);
    await driver.connect();
    stream.end();
    expect(seen.closed[0]?.message).toBe('The line fake was closed.');
  });

  it("while connecting: connect rejects with the line's error", async () => {
    const stream = new FakeStream();
    stream.mute = true;
    const { driver, seen } = driverOn(stream);
    const connecting = driver.connect();
    stream.unplug();
    await expect(connecting).rejects.toMatchObject({
      code: 'PORT_CLOSED',
      message: 'The camera was unplugged.',
    });
    expect(seen.closed).toHaveLength(1);
  });

  it('before it has begun: nothing is written', async () => {
    class Dead extends FakeStream {
      override start(handlers: Parameters<FakeStream['start']>[0]): void {
        super.start(handlers);
        this.unplug();
      }
    }
    const stream = new Dead();
    const { driver } = driverOn(stream);
    await expect(driver.connect()).rejects.toMatchObject({ code: 'PORT_CLOSED' });
    expect(stream.writes).toBe(0);
  });

  it('closed by its owner while connecting, and before', async () => {
    const stream = new FakeStream();
    stream.mute = true;
    const { driver, seen } = driverOn(stream);
    const connecting = driver.connect();
    const refused = expect(connecting).rejects.toMatchObject({ code: 'PORT_CLOSED' });
    await driver.close();
    await refused;
    expect(seen.closed).toEqual([undefined]);
    const { driver: other } = driverOn(new FakeStream());
    await other.close();
    await expect(other.connect()).rejects.toMatchObject({ code: 'PORT_CLOSED' });
  });

  it('bytes that still come after the end do nothing', async () => {
    const stream = new FakeStream();
    const { driver, seen } = driverOn(stream);
    await driver.connect();
    stream.device.sendEvent(5, 9, true, performance.now());
    await driver.close();
    const { writes } = stream;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(seen.events).toEqual([]);
    expect(stream.writes).toBe(writes);
  });
});

describe('an error in what the driver reports to', () => {
  it('ends the line instead of the process', async () => {
    const stream = new FakeStream();
    const failure = new Error('a listener failed');
    const { driver, seen } = driverOn(
      stream,
      {},
      {
        event: () => {
          throw failure;
        },
      },
    );
    await driver.connect();
    stream.device.sendEvent(5, 9, false, performance.now());
    await vi.waitFor(() => expect(seen.closed).toHaveLength(1));
    expect(seen.closed[0]).toMatchObject({ code: 'INTERNAL', message: 'a listener failed', cause: failure });
    expect(stream.closes).toBe(1);
    expect(await driver.request(version)).toEqual({ kind: 'lost', reason: 'closed' });
  });
});

describe('its timer', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'performance'] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('gives a silent camera up: CAMERA_SILENT, and no timer stays behind', async () => {
    const stream = new FakeStream();
    stream.mute = true;
    const { driver, seen } = driverOn(stream);
    const refused = expect(driver.connect()).rejects.toMatchObject({ code: 'CAMERA_SILENT' });
    await vi.advanceTimersByTimeAsync(15_000);
    await refused;
    expect(stream.writes).toBe(8);
    expect(seen.closed.map((error) => error?.code)).toEqual(['CAMERA_SILENT']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('brings a lost request back after a resynchronisation', async () => {
    const stream = new FakeStream();
    const { driver, seen } = driverOn(stream, { ack: false });
    const connecting = driver.connect();
    await vi.advanceTimersByTimeAsync(5);
    await connecting;
    stream.mute = true;
    const asked = driver.request({ ...version, attempts: 2 });
    await vi.advanceTimersByTimeAsync(50);
    stream.mute = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect((await asked).kind).toBe('reply');
    expect(seen.resyncs).toEqual(['timeout']);
    await driver.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('finds a lost request out as soon as its wait is over', async () => {
    const stream = new FakeStream();
    const { driver } = driverOn(stream, { ack: false });
    const connecting = driver.connect();
    await vi.advanceTimersByTimeAsync(5);
    await connecting;
    stream.mute = true;
    const asked = driver.request(version);
    await vi.advanceTimersByTimeAsync(HOST_TIMING.cleanReplyMs + 2);
    expect(await asked).toEqual({ kind: 'lost', reason: 'timeout' });
    expect(driver.stats).toMatchObject({ timeouts: 1, resyncs: 1 });
    await driver.close();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not run while nothing is under way', async () => {
    const stream = new FakeStream();
    const { driver } = driverOn(stream);
    const connecting = driver.connect();
    await vi.advanceTimersByTimeAsync(5);
    await connecting;
    const asked = driver.request(version);
    await vi.advanceTimersByTimeAsync(10_000);
    await asked;
    expect(vi.getTimerCount()).toBe(0);
    await driver.close();
  });
});
