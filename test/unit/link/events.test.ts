import { describe, expect, it } from 'vitest';
import { Flag, Opcode, SystemEvent } from '../../../src/protocol/constants.js';
import { encodeHalfWord, encodeIoRequest } from '../../../src/protocol/index.js';
import { type Tamper, VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, parse, pattern, pieceChannel, sendToHost } from './support.js';

const isRead = (packet: Uint8Array): boolean => parse(packet).opcode === Opcode.CHANNEL_READ;

describe.each([true, false])('events, acks %s', (ack) => {
  it('carry their channel and number and use up no sequence number', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const id = line.device.register(bufferChannel(pattern(10)));
    expect(line.device.sendEvent(id, 0x00aa, false, line.now)).toBe(true);
    expect(line.device.sendEvent(2, SystemEvent.NOTIFY, false, line.now)).toBe(true);
    expect(line.device.sendEvent(0, SystemEvent.CHANNEL_UNREGISTERED, false, line.now)).toBe(true);
    line.run();
    expect(line.events).toEqual([
      [0, SystemEvent.CHANNEL_REGISTERED],
      [id, 0x00aa],
      [2, SystemEvent.NOTIFY],
      [0, SystemEvent.CHANNEL_UNREGISTERED],
    ]);
    expect(line.host.stats.events).toBe(4);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.problems()).toEqual([]);
  });

  it('that want an acknowledgement get it, acks on', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    expect(line.device.sendEvent(3, 7, true, line.now)).toBe(true);
    expect(line.device.busy).toBe(ack);
    line.run();
    expect(line.device.busy).toBe(false);
    expect(line.events).toEqual([[3, 7]]);
    expect(line.host.stats.acksSent).toBe(ack ? 2 : 1);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
  });

  it('between the fragments of a reply leave it whole', () => {
    const line = new VirtualLine({ wanted: { ack, maxPayload: 100 } }).connect();
    const data = pattern(950);
    const pieces = pieceChannel(data, [100]);
    let calls = 0;
    const id = line.device.register({
      ...pieces,
      read: (offset, length) => {
        line.device.sendEvent(2, SystemEvent.NOTIFY, false, line.now);
        line.device.sendEvent(9, ++calls, false, line.now);
        return pieces.read!(offset, length);
      },
    });
    expect(line.read(id, 0, 950).bytes).toEqual(data);
    expect(line.events).toHaveLength(1 + 2 * 10);
    expect(line.host.stats).toMatchObject({ resyncs: 0, stale: 0 });
    expect(line.problems()).toEqual([]);
  });

  it('in the middle of a reply that waits for its ACK', () => {
    const line = new VirtualLine({ wanted: { ack, maxPayload: 100 } }).connect();
    const data = pattern(950);
    const id = line.device.register(bufferChannel(data));
    line.tamper = (packet, direction) => {
      if (direction === 'toHost' && isRead(packet))
        line.at(line.now, () => line.device.sendEvent(9, 1, false, line.now));
      return undefined;
    };
    expect(line.read(id, 0, 950).bytes).toEqual(data);
    expect(line.host.stats).toMatchObject({ resyncs: 0, stale: 0 });
    expect(line.problems()).toEqual([]);
  });

  it('are not sent when they were negotiated off', () => {
    const line = new VirtualLine({ wanted: { ack, events: false } }).connect();
    expect(line.device.sendEvent(3, 7, false, line.now)).toBe(false);
    expect(line.device.sendEvent(3, 7, true, line.now)).toBe(false);
    line.run();
    expect(line.events).toEqual([]);
  });
});

/** A soft reboot: the event, then a protocol that begins again with default capabilities and number 0. */
function reboot(line: VirtualLine): void {
  line.device.sendEvent(0, SystemEvent.SOFT_REBOOT, false, line.now);
  line.device.reset();
  line.device.unregisterDynamic();
}

describe.each([true, false])('SOFT_REBOOT, acks %s', (ack) => {
  it('while nothing is under way: the link starts again and says why', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    reboot(line);
    line.run();
    expect(line.events).toEqual([[0, SystemEvent.SOFT_REBOOT]]);
    expect(line.readies).toEqual([undefined, 'reboot']);
    expect(line.host.caps.ack).toBe(ack);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.problems()).toEqual([]);
  });

  it('in the middle of a READ: it is lost and never repeated, for the channel may be another one now', () => {
    const line = new VirtualLine({ wanted: { ack, maxPayload: 100 } }).connect();
    const id = line.device.register(bufferChannel(pattern(2_000)));
    let fragments = 0;
    // The second half of the reply is never sent.
    line.tamper = (packet, direction) => {
      if (direction === 'toDevice' || !isRead(packet)) return undefined;
      fragments++;
      if (fragments === 10) line.at(line.now, () => reboot(line));
      return fragments <= 10 ? undefined : [];
    };
    const { outcome } = line.read(id, 0, 2_000, 5);
    expect(outcome).toEqual({ kind: 'lost', reason: 'reboot' });
    line.tamper = undefined;
    line.run(() => line.host.state === 'ready');
    expect(line.readies.at(-1)).toBe('reboot');
    const ids = line.device.register(bufferChannel(pattern(2_000)));
    expect(line.read(ids, 0, 2_000).bytes).toEqual(pattern(2_000));
    expect(line.problems()).toEqual([]);
  });

  it('while the capabilities are negotiated', () => {
    const line = new VirtualLine({ wanted: { ack } });
    let rebooted = false;
    line.tamper = (packet, direction) => {
      if (direction === 'toDevice' && parse(packet).opcode === Opcode.PROTO_SET_CAPS && !rebooted) {
        rebooted = true;
        reboot(line);
        return [];
      }
      return undefined;
    };
    line.connect();
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 2 }).kind).toBe('reply');
    expect(line.device.caps).toEqual(line.host.caps);
    expect(line.problems()).toEqual([]);
  });

  it('after the negotiation, without any event: the number or the CRC gives it away', () => {
    for (const crc of [true, false]) {
      const line = new VirtualLine({ wanted: { ack, crc } }).connect();
      line.ask({ opcode: Opcode.PROTO_VERSION });
      line.run();
      line.device.reset();
      expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 2 }).kind).toBe('reply');
      expect(line.host.stats.resyncs).toBe(1);
      expect(line.device.caps).toEqual(line.host.caps);
      expect(line.problems()).toEqual([]);
    }
  });

  it('queued requests survive it', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const first = line.submit({ opcode: Opcode.PROTO_VERSION });
    const second = line.submit({ opcode: Opcode.SYS_INFO });
    reboot(line);
    line.run(() => second.outcome !== undefined);
    expect(first.outcome?.kind === 'reply' || first.outcome?.kind === 'lost').toBe(true);
    expect(second.outcome?.kind).toBe('reply');
    expect(line.problems()).toEqual([]);
  });
});

describe('an event that is not for the system', () => {
  it('with number 2 on a channel of its own is no reboot', () => {
    const line = new VirtualLine().connect();
    sendToHost(
      line,
      { sequence: 2, channel: 5, flags: Flag.EVENT, opcode: Opcode.CHANNEL_EVENT },
      encodeHalfWord(2),
    );
    line.run();
    expect(line.events).toEqual([[5, 2]]);
    expect(line.host.stats.resyncs).toBe(0);
  });
});

describe('a flood of NOTIFY events', () => {
  it('does not keep a lost reply from being noticed', () => {
    const drops: Tamper = (packet, direction) =>
      direction === 'toHost' && parse(packet).opcode === Opcode.PROTO_VERSION ? [] : undefined;
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.tamper = drops;
    const pending = line.submit({ opcode: Opcode.PROTO_VERSION });
    for (let ms = 0; ms < 5_000; ms += 10) {
      line.at(line.now + ms, () => line.device.sendEvent(2, SystemEvent.NOTIFY, false, line.now));
    }
    const begun = line.now;
    line.run(() => pending.outcome !== undefined);
    expect(pending.outcome).toEqual({ kind: 'lost', reason: 'timeout' });
    expect(line.now - begun).toBeLessThan(600);
  });

  it('nor a fragment cut short that swallows them', () => {
    const data = pattern(8_000);
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    const id = line.device.register(bufferChannel(data));
    let reads = 0;
    line.tamper = (packet, direction) => {
      if (direction === 'toDevice' || !isRead(packet)) return undefined;
      return ++reads === 2 ? [packet.subarray(0, 30)] : undefined;
    };
    const destination = new Uint8Array(8_000);
    const pending = line.submit({
      opcode: Opcode.CHANNEL_READ,
      channel: id,
      payload: encodeIoRequest(0, 8_000),
      destination,
    });
    for (let ms = 1; ms < 5_000; ms += 20) {
      line.at(line.now + ms, () => line.device.sendEvent(2, SystemEvent.NOTIFY, false, line.now));
    }
    const begun = line.now;
    line.run(() => pending.outcome !== undefined);
    expect(pending.outcome).toEqual({ kind: 'read', missing: [{ from: 4_082, to: 8_000 }] });
    expect(line.now - begun).toBeLessThan(2_000);
    line.run();
    // None of them was lost: they stood in what was taken for the payload.
    expect(line.events.filter(([channel]) => channel === 2)).toHaveLength(250);
    expect(line.problems()).toEqual([]);
  });
});
