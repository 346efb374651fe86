import { describe, expect, it } from 'vitest';
import type { LossReason } from '../../../src/link/link-types.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, once, parse, pattern } from './support.js';

const requestsFor = (line: VirtualLine, opcode: number): number =>
  line.sent.filter(({ direction, packet }) => {
    const { flags, opcode: sent } = parse(packet);
    return direction === 'toDevice' && sent === opcode && flags === 0;
  }).length;

describe('the number of the session', () => {
  it('goes up at each synchronisation, and at nothing else', () => {
    const line = new VirtualLine();
    expect(line.host.session).toBe(0);
    line.connect();
    expect(line.host.session).toBe(1);
    line.ask({ opcode: Opcode.PROTO_VERSION });
    expect(line.host.session).toBe(1);
    line.host.resync(line.now, 'timeout');
    expect(line.host.session).toBe(2);
    line.run(() => line.host.state === 'ready');
    expect(line.host.session).toBe(2);
  });
});

describe('a request that belongs to a session', () => {
  it('is carried out in it', () => {
    const line = new VirtualLine().connect();
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, session: line.host.session }).kind).toBe('reply');
  });

  it.each(['timeout', 'sequence', 'reboot'] as LossReason[])(
    'is lost unsent in a later one (%s)',
    (reason) => {
      const line = new VirtualLine().connect();
      line.run();
      const { session } = line.host;
      line.host.resync(line.now, reason);
      const mine = line.submit({ opcode: Opcode.SYS_INFO, session });
      const free = line.submit({ opcode: Opcode.PROTO_VERSION });
      expect(mine.outcome).toBeUndefined();
      line.run(() => free.outcome !== undefined);
      expect(mine.outcome).toEqual({ kind: 'lost', reason });
      expect(free.outcome?.kind).toBe('reply');
      expect(requestsFor(line, Opcode.SYS_INFO)).toBe(0);
      expect(line.problems()).toEqual([]);
    },
  );

  it('is not repeated in a later one, whatever its attempts', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.tamper = once((packet, direction) => direction === 'toDevice' && packet.opcode === Opcode.SYS_INFO);
    const outcome = line.ask({ opcode: Opcode.SYS_INFO, attempts: 5, session: line.host.session });
    expect(outcome).toEqual({ kind: 'lost', reason: 'timeout' });
    expect(requestsFor(line, Opcode.SYS_INFO)).toBe(1);
    expect(line.problems()).toEqual([]);
  });
});

describe('a device that started again without a word, when its number fits by chance', () => {
  it('acks off: it asks for an acknowledgement, as no one agreed to', () => {
    const data = pattern(9_000);
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    const id = line.device.register(bufferChannel(data));
    while (line.device.sequence !== 0) line.ask({ opcode: Opcode.PROTO_VERSION });
    line.device.reset();
    expect(line.read(id, 0, 9_000).outcome).toEqual({ kind: 'lost', reason: 'sequence' });
    line.run(() => line.host.state === 'ready');
    expect(line.device.caps).toEqual(line.host.caps);
    expect(line.read(id, 0, 9_000)).toEqual({ outcome: { kind: 'read', missing: [] }, bytes: data });
    expect(line.host.stats.resyncs).toBe(1);
    expect(line.problems()).toEqual([]);
  });

  it('with a smaller payload agreed on: its fragments have another size, and nothing wrong is taken for right', () => {
    const data = pattern(9_000);
    for (const ack of [true, false]) {
      const line = new VirtualLine({ wanted: { ack, maxPayload: 498 } }).connect();
      const id = line.device.register(bufferChannel(data));
      while (line.device.sequence !== 0) line.ask({ opcode: Opcode.PROTO_VERSION });
      line.run();
      line.device.reset();
      const { outcome, bytes } = line.read(id, 0, 9_000);
      if (outcome.kind === 'read' && outcome.missing.length === 0) expect(bytes).toEqual(data);
      expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 2 }).kind).toBe('reply');
      expect(line.problems()).toEqual([]);
    }
  });
});
