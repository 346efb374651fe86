/**
 * A host whose event loop is held up until a wait is over, while the answer lies in the kernel: over a socket, with
 * the machine's real clock. The timer fires before the socket is read.
 */
import { once as eventOf } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ByteStream, ByteStreamHandlers } from '../../../src/link/byte-stream.js';
import { LinkDriver } from '../../../src/link/link-driver.js';
import { HOST_TIMING } from '../../../src/link/timing.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { DeviceLink } from '../../../src/virtual/device/device-link.js';
import { testIdentity } from '../../fakes/test-identity.js';
import { bufferChannel, parse, pattern } from './support.js';

const version = { opcode: Opcode.PROTO_VERSION, channel: 0, payload: new Uint8Array(0), attempts: 1 };

/** A device whose answers are in the kernel before `write` returns, and are read when the event loop comes to it. */
class SocketStream implements ByteStream {
  readonly name = 'socket';
  readonly kind = 'pty';
  readonly device: DeviceLink;
  /** Which of the device's packets are kept back until `release`. */
  keeps: (packet: Uint8Array) => boolean = () => false;
  #kept: Uint8Array[] = [];

  constructor(
    readonly near: Socket,
    readonly far: Socket,
  ) {
    this.device = new DeviceLink({
      identity: testIdentity(),
      maxPayload: 1_000,
      transmit: (packet) => {
        if (this.keeps(packet)) this.#kept.push(packet.slice());
        else this.#put(packet);
      },
    });
  }

  start(handlers: ByteStreamHandlers): void {
    this.near.on('data', (chunk) => handlers.data(chunk));
    this.near.on('close', () => handlers.closed());
  }

  write(bytes: Uint8Array): void {
    this.device.receive(bytes.slice(), performance.now());
  }

  release(): void {
    for (const packet of this.#kept.splice(0)) this.#put(packet);
  }

  async close(): Promise<void> {
    this.near.destroy();
  }

  #put(packet: Uint8Array): void {
    this.far.write(packet.slice());
    // Otherwise the bytes would leave in a later turn of the loop, and the test would show nothing.
    if (this.far.writableLength > 0) throw new Error('the socket did not take the bytes at once');
  }
}

/** Holds the event loop up, as a long computation or a starved machine does. */
function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

describe('an event loop that is held up until the wait for an answer is over', () => {
  let folder: string;
  let stream: SocketStream;
  let driver: LinkDriver;
  let resyncs: string[];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'busy-loop-'));
    const server = createServer().listen(join(folder, 'line'));
    await eventOf(server, 'listening');
    const near = createConnection(join(folder, 'line'));
    const [far] = (await eventOf(server, 'connection')) as [Socket];
    server.close();
    stream = new SocketStream(near, far);
    resyncs = [];
    driver = new LinkDriver(
      stream,
      { wanted: { crc: true, sequence: true, ack: false, events: true, maxPayload: 1_000 } },
      { event: () => undefined, resynced: (reason) => resyncs.push(reason), closed: () => undefined },
    );
    await driver.connect();
    // The measured wait comes down to its floor.
    for (let round = 0; round < 60; round++) await driver.request(version);
  });

  afterEach(async () => {
    await driver.close();
    stream.far.destroy();
    rmSync(folder, { recursive: true });
  });

  it.each([0, 1, 5, 15, 200])('reads the answer that is there, %i ms too late', async (late) => {
    const asked = driver.request(version);
    block(HOST_TIMING.minReplyMs + late);
    expect((await asked).kind).toBe('reply');
    expect(driver.stats).toMatchObject({ timeouts: 0, resyncs: 0 });
    expect(resyncs).toEqual([]);
  });

  it.each([1, 15, 200])('reads the fragments that are there, %i ms too late', async (late) => {
    const data = pattern(10_000);
    const id = stream.device.register(bufferChannel(data));
    const first = stream.device.sequence;
    stream.keeps = (packet) => {
      const { opcode, sequence } = parse(packet);
      return opcode === Opcode.CHANNEL_READ && sequence !== first;
    };
    const destination = new Uint8Array(10_000);
    const received = driver.stats.packetsReceived;
    const payload = encodeIoRequest(0, 10_000);
    const asked = driver.request({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload,
      attempts: 1,
      destination,
    });
    // The event of the channel's registration, and the first fragment.
    while (driver.stats.packetsReceived < received + 2) await new Promise((done) => setImmediate(done));
    stream.release();
    block(HOST_TIMING.fragmentMs + late);
    expect(await asked).toEqual({ kind: 'read', missing: [] });
    expect(Buffer.compare(destination, data)).toBe(0);
    expect(driver.stats).toMatchObject({ timeouts: 0, resyncs: 0, fragmentsLost: 0 });
  });

  it('does not wait for ever for an answer that is not there', async () => {
    stream.keeps = (packet) => parse(packet).opcode === Opcode.PROTO_VERSION;
    const asked = driver.request(version);
    block(HOST_TIMING.minReplyMs + 5);
    expect(await asked).toEqual({ kind: 'lost', reason: 'timeout' });
    expect(driver.stats).toMatchObject({ timeouts: 1, resyncs: 1 });
  });
});
