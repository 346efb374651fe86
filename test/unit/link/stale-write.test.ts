import { describe, expect, it } from 'vitest';
import { Opcode } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import { evenly } from '../../fakes/line-faults.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, pattern } from './support.js';

/**
 * Once a READ is settled its buffer is its owner's: nothing may be written to it any more, however late, doubled
 * or mixed up the rest of the reply comes. The line compares every destination with what it held when it was settled.
 */
describe.each([true, false])('buffers of settled READs, acks %s', (ack) => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('are never written to again, on a bad line (seed %i)', (seed) => {
    const line = new VirtualLine({ wanted: { ack, maxPayload: 498 }, seed, pieces: 700 }).connect();
    const data = pattern(5_000, seed);
    const id = line.device.register(bufferChannel(data));
    line.faults = { toHost: evenly(0.3), toDevice: evenly(0.1) };
    for (let round = 0; round < 60 && line.host.state !== 'failed'; round++) {
      const pending = line.submit({
        opcode: Opcode.CHANNEL_READ,
        channel: id,
        payload: encodeIoRequest(0, 5_000),
        destination: new Uint8Array(5_000),
        attempts: 1 + (round % 3),
      });
      // Some are interrupted from outside, at any moment.
      if (line.random.chance(0.3)) {
        line.at(line.now + line.random.below(8), () => line.host.resync(line.now, 'timeout'));
      }
      line.run(() => pending.outcome !== undefined);
    }
    line.faults = {};
    line.host.close();
    expect(line.problems()).toEqual([]);
    expect(line.requests.length).toBeGreaterThan(20);
  });

  it('nor when the link is closed in the middle of a fragment', () => {
    for (let stop = 1; stop < 1_200; stop += 37) {
      const line = new VirtualLine({ wanted: { ack, maxPayload: 498 } }).connect();
      const id = line.device.register(bufferChannel(pattern(2_000)));
      let seen = 0;
      line.tamper = (packet, direction) => {
        if (direction === 'toDevice') return undefined;
        const from = Math.max(0, Math.min(packet.length, stop - seen));
        seen += packet.length;
        if (from === packet.length) return undefined;
        line.at(line.now + 1, () => line.host.close());
        line.at(line.now + 2, () => line.inject('toHost', packet.subarray(from)));
        return [packet.subarray(0, from)];
      };
      const destination = new Uint8Array(2_000);
      const pending = line.submit({
        opcode: Opcode.CHANNEL_READ,
        channel: id,
        payload: encodeIoRequest(0, 2_000),
        destination,
      });
      line.runFor(10_000);
      expect(pending.outcome).toBeDefined();
      expect(line.problems()).toEqual([]);
    }
  });
});
