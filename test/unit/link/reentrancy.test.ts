import { describe, expect, it } from 'vitest';
import { HostLink } from '../../../src/link/host-link.js';
import type { LinkOutcome, LinkRequest } from '../../../src/link/link-types.js';
import { Flag, Opcode, SystemEvent } from '../../../src/protocol/constants.js';
import { encodeHalfWord, encodeIoRequest } from '../../../src/protocol/index.js';
import { encodePacket } from '../../../src/protocol/packet.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { bufferChannel, once, parse, pattern } from './support.js';

describe.each([true, false])('a settle that submits, acks %s', (ack) => {
  it('keeps order and loses nothing, a thousand times over', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const outcomes: string[] = [];
    const next = (left: number): void => {
      line.submit({
        opcode: left % 2 === 0 ? Opcode.PROTO_VERSION : Opcode.CHANNEL_LIST,
        settle: (outcome) => {
          outcomes.push(outcome.kind);
          if (left > 0) next(left - 1);
        },
      });
    };
    next(999);
    line.run(() => outcomes.length === 1_000);
    expect(new Set(outcomes)).toEqual(new Set(['reply']));
    expect(line.host.stats.requests).toBe(1_000);
    expect(line.problems()).toEqual([]);
  });

  it('as the answer to a refusal before sending', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    const seen: LinkOutcome['kind'][] = [];
    line.submit({
      opcode: Opcode.CHANNEL_WRITE,
      payload: new Uint8Array(5_000),
      settle: (outcome) => {
        seen.push(outcome.kind);
        line.submit({ opcode: Opcode.PROTO_VERSION, settle: (second) => seen.push(second.kind) });
      },
    });
    line.run(() => seen.length === 2);
    expect(seen).toEqual(['nak', 'reply']);
  });

  it('when it was lost: it goes out after the resynchronisation', () => {
    const line = new VirtualLine({ wanted: { ack } }).connect();
    line.tamper = once(
      (packet, direction) => direction === 'toDevice' && packet.opcode === Opcode.PROTO_VERSION,
    );
    let second: LinkOutcome | undefined;
    line.submit({
      opcode: Opcode.PROTO_VERSION,
      settle: () =>
        line.submit({
          opcode: Opcode.SYS_INFO,
          settle: (outcome) => {
            second = outcome;
          },
        }),
    });
    line.run(() => second !== undefined);
    expect(second?.kind).toBe('reply');
    expect(line.readies).toEqual([undefined, 'timeout']);
    expect(line.problems()).toEqual([]);
  });
});

describe('a settle that starts again', () => {
  it('in the middle of a chunk with more packets', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.submit({ opcode: Opcode.PROTO_VERSION, settle: () => line.host.resync(line.now, 'timeout') });
    line.run(() => line.readies.length === 2);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
    expect(line.problems()).toEqual([]);
  });
});

/** After close nothing is sent, nothing is reported, and no deadline stands. */
function expectClosed(line: VirtualLine): void {
  expect(line.host.state).toBe('closed');
  expect(line.host.deadline()).toBeUndefined();
  const { length } = line.sent.filter(({ direction }) => direction === 'toDevice');
  line.runFor(20_000);
  expect(line.host.state).toBe('closed');
  expect(line.sent.filter(({ direction }) => direction === 'toDevice')).toHaveLength(length);
}

describe('a callback that closes the link', () => {
  it('settle, after a reply', () => {
    const line = new VirtualLine().connect();
    const other = line.submit({ opcode: Opcode.PROTO_VERSION, settle: () => line.host.close() });
    const waiting = line.submit({ opcode: Opcode.PROTO_VERSION });
    line.run(() => other.outcome !== undefined);
    expect(waiting.outcome).toEqual({ kind: 'lost', reason: 'closed' });
    expectClosed(line);
  });

  it('settle, of a request that was lost: no SYNC comes after it', () => {
    const line = new VirtualLine({ wanted: { ack: false } }).connect();
    line.tamper = once(
      (packet, direction) => direction === 'toDevice' && packet.opcode === Opcode.PROTO_VERSION,
    );
    const pending = line.submit({ opcode: Opcode.PROTO_VERSION, settle: () => line.host.close() });
    line.run(() => pending.outcome !== undefined);
    expectClosed(line);
  });

  it.each([
    ['of a reboot', 0, SystemEvent.SOFT_REBOOT],
    ['of a channel', 5, 7],
  ])('event, %s', (_name, channel, number) => {
    const line = new VirtualLine({ onEvent: () => line.host.close() }).connect();
    line.device.sendEvent(channel, number, false, line.now);
    line.run(() => line.events.length > 0);
    expectClosed(line);
  });

  it('ready', () => {
    const line: VirtualLine = new VirtualLine({ onReady: () => line.host.close() });
    line.host.connect(0);
    const waiting = line.submit({ opcode: Opcode.PROTO_VERSION });
    line.run(() => line.host.state === 'closed');
    expect(waiting.outcome).toEqual({ kind: 'lost', reason: 'closed' });
    expectClosed(line);
  });
});

describe('packets behind the one that ends it all, in the same chunk', () => {
  it('do not wake a closed link', () => {
    const sent: number[] = [];
    const outcomes: LinkOutcome[] = [];
    const link = new HostLink(
      { wanted: { crc: true, sequence: true, ack: true, events: true, maxPayload: 4082 } },
      {
        transmit: (bytes) => sent.push(parse(bytes).opcode),
        event: () => undefined,
        ready: () => undefined,
        failed: () => undefined,
      },
    );
    const ack = (sequence: number, opcode: number): Uint8Array =>
      encodePacket({ sequence, channel: 0, flags: Flag.ACK, opcode });
    link.connect(0);
    link.receive(ack(0, Opcode.PROTO_SYNC), 1);
    const caps = new Uint8Array(16);
    caps.set([15, 0, 0, 0, 0xf2, 0x0f]);
    link.receive(encodePacket({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_GET_CAPS }, caps), 2);
    link.receive(ack(1, Opcode.PROTO_SET_CAPS), 3);
    expect(link.state).toBe('ready');
    const request: LinkRequest = {
      opcode: Opcode.CHANNEL_LOCK,
      channel: 3,
      payload: new Uint8Array(0),
      attempts: 1,
      settle: (outcome) => {
        outcomes.push(outcome);
        link.close();
      },
    };
    link.submit(request, 4);
    sent.length = 0;
    const reply = encodePacket({ sequence: 2, channel: 3, flags: Flag.ACK, opcode: Opcode.CHANNEL_LOCK });
    const event = encodePacket(
      { sequence: 3, channel: 0, flags: Flag.EVENT | Flag.ACK_REQ, opcode: Opcode.SYS_EVENT },
      encodeHalfWord(SystemEvent.SOFT_REBOOT),
    );
    link.receive(Uint8Array.from(Buffer.concat([reply, event, event, reply])), 5);
    expect(outcomes).toEqual([{ kind: 'ack' }]);
    expect(sent).toEqual([]);
    expect(link.state).toBe('closed');
  });
});

describe('a destination', () => {
  it('belongs to its owner again when it is settled, in the callback already', () => {
    const line = new VirtualLine({ wanted: { ack: false, maxPayload: 500 } }).connect();
    const data = pattern(5_000);
    const id = line.device.register(bufferChannel(data));
    const destination = new Uint8Array(5_000);
    const rounds: boolean[] = [];
    const read = (): void => {
      line.submit({
        opcode: Opcode.CHANNEL_READ,
        channel: id,
        payload: encodeIoRequest(0, 5_000),
        destination,
        settle: () => {
          rounds.push(Buffer.compare(destination, data) === 0);
          // The same buffer at once for the next one.
          destination.fill(0);
          if (rounds.length < 10) read();
        },
      });
    };
    read();
    line.run(() => rounds.length === 10);
    line.runFor(5_000);
    expect(rounds).toEqual(new Array(10).fill(true));
    expect(destination).toEqual(new Uint8Array(5_000));
  });
});
