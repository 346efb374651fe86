import { describe, expect, it } from 'vitest';
import { Opcode } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, once, parse, pattern } from './support.js';

/** A request cut short makes the vendor's device swallow what follows, without any timeout. */
describe.each([true, false])('a request is cut short on its way, acks %s', (ack) => {
  for (const kept of [3, 10, 15, 21]) {
    it(`after ${kept} bytes of a READ's 22: SYNC gets the device out of it`, () => {
      const data = pattern(9_000);
      const line = new VirtualLine({ wanted: { ack } }).connect();
      const id = line.device.register(bufferChannel(data));
      line.tamper = once(
        (packet, direction) =>
          direction === 'toDevice' && packet.opcode === Opcode.CHANNEL_READ && packet.flags === 0,
        (packet) => [packet.subarray(0, kept)],
      );
      expect(line.read(id, 0, 9_000).outcome).toEqual({ kind: 'lost', reason: 'timeout' });
      line.run(() => line.host.state === 'ready');
      expect(line.read(id, 0, 9_000).bytes).toEqual(data);
      expect(line.host.stats).toMatchObject({ resyncs: 1, timeouts: 1 });
      const syncs = line.sent.filter(
        ({ direction, packet }) => direction === 'toDevice' && parse(packet).opcode === Opcode.PROTO_SYNC,
      );
      // The connection's and this one's; a SYNC that the device took for the rest of the request is sent again
      // as soon as the device's NAK tells so.
      expect(syncs).toHaveLength(kept > 12 ? 3 : 2);
      if (kept > 12) expect(syncs[2]!.at - syncs[1]!.at).toBeLessThan(1);
      expect(line.problems()).toEqual([]);
    });
  }

  it('a long write, whose rest would swallow many requests', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const written: Uint8Array[] = [];
    const id = line.device.register({
      name: 'in',
      flags: 2,
      write: (_offset, data) => written.push(data.slice()),
    });
    line.tamper = once(
      (packet, direction) => direction === 'toDevice' && packet.opcode === Opcode.CHANNEL_WRITE,
      (packet) => [packet.subarray(0, 100)],
    );
    const payload = encodeIoRequest(0, 4_000, pattern(4_000));
    const outcome = line.ask({ opcode: Opcode.CHANNEL_WRITE, channel: id, payload, attempts: 2 });
    expect(outcome).toEqual({ kind: 'ack' });
    expect(written).toEqual([pattern(4_000)]);
    expect(line.problems()).toEqual([]);
  });

  it('a cut ACK does not swallow the request that follows it', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    for (let kept = 1; kept < 10; kept++) {
      line.tamper = once(
        (packet, direction) => direction === 'toDevice' && (packet.flags & 1) !== 0,
        (packet) => [packet.subarray(0, kept)],
      );
      expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
      expect(line.ask({ opcode: Opcode.SYS_INFO }).kind).toBe('reply');
    }
    expect(line.host.stats.resyncs).toBe(0);
    expect(line.problems()).toEqual([]);
  });
});
