import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { Flag, Opcode, Status } from '../../../src/protocol/constants.js';
import { encodeCaps, encodeHalfWord } from '../../../src/protocol/index.js';
import { encodePacket } from '../../../src/protocol/packet.js';
import { VirtualLine } from '../../fakes/virtual-line.js';
import { parse } from './support.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('connecting', () => {
  it('is SYNC, GET_CAPS and SET_CAPS, byte for byte', () => {
    const line = new VirtualLine().connect();
    expect(line.sent.map(({ direction, packet }) => [direction, hex(packet)])).toEqual([
      ['toDevice', 'aad5000000000000b0ac'],
      ['toHost', 'aad50000010000000846'],
      ['toDevice', 'aad5000000010000c3dd'],
      ['toHost', 'aad5000008011000ef0b0f000000f20f000000000000000000008d0e859e'],
      ['toDevice', 'aad50000010100007b37'],
      ['toDevice', 'aad5010000021000c84f0f000000f20f000000000000000000008d0e859e'],
      ['toHost', 'aad5010001020000a0c3'],
    ]);
    expect(line.readies).toEqual([undefined]);
    expect(line.problems()).toEqual([]);
  });

  const flags = [true, false];
  for (const crc of flags) {
    for (const ack of flags) {
      for (const events of flags) {
        it(`negotiates CRC ${crc}, acks ${ack}, events ${events}`, () => {
          const line = new VirtualLine({ wanted: { crc, ack, events } }).connect();
          const caps = { crc, sequence: true, ack, events, maxPayload: 4082 };
          expect(line.host.caps).toEqual(caps);
          expect(line.device.caps).toEqual(caps);
          expect(line.ask({ opcode: Opcode.PROTO_VERSION }).kind).toBe('reply');
          expect(line.problems()).toEqual([]);
        });
      }
    }
  }

  it.each([
    [4082, 4082, 4082],
    [498, 498, 498],
    [50, 50, 50],
    [8178, 8178, 8178],
    [8178, 498, 498],
    [498, 4082, 498],
    [52, 4082, 52],
    [1, 4082, 52],
    [1, 50, 50],
  ])('wanting %i bytes of a device with %i gives %i', (wanted, device, agreed) => {
    const line = new VirtualLine({ wanted: { maxPayload: wanted }, devicePayload: device }).connect();
    expect(line.host.caps.maxPayload).toBe(agreed);
    expect(line.device.caps.maxPayload).toBe(agreed);
  });

  it('asks for the capabilities once only: after a resynchronisation they are known', () => {
    const line = new VirtualLine().connect();
    line.host.resync(line.now, 'timeout');
    line.run(() => line.readies.length === 2);
    const asked = line.sent.filter(({ packet, direction }) => {
      const { opcode, flags } = parse(packet);
      return direction === 'toDevice' && opcode === Opcode.PROTO_GET_CAPS && flags === 0;
    });
    expect(asked).toHaveLength(1);
    expect(line.readies).toEqual([undefined, 'timeout']);
  });

  it('takes requests meanwhile, and carries them out when it is ready', () => {
    const line = new VirtualLine();
    line.host.connect(0);
    const pending = line.submit({ opcode: Opcode.CHANNEL_LIST });
    expect(pending.outcome).toBeUndefined();
    line.run(() => pending.outcome !== undefined);
    expect(pending.outcome).toMatchObject({ kind: 'reply' });
  });
});

/** A host whose device is the test: `answer` gives the packets for each packet of the host. */
function hostAlone(answer: (opcode: number, line: VirtualLine) => Uint8Array[]): VirtualLine {
  const line: VirtualLine = new VirtualLine({
    tamper: (packet, direction) => {
      if (direction === 'toHost') return [];
      for (const reply of answer(parse(packet).opcode, line)) line.inject('toHost', reply);
      return [];
    },
  });
  line.host.connect(0);
  line.run();
  return line;
}

const SYNC_ACK = encodePacket({ sequence: 0, channel: 0, flags: Flag.ACK, opcode: Opcode.PROTO_SYNC });
const capsReply = (payload: Uint8Array): Uint8Array =>
  encodePacket({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_GET_CAPS }, payload);

describe('a device that does not come up', () => {
  it('silence: eight SYNCs, then CAMERA_SILENT, and queued requests are lost', () => {
    const line = new VirtualLine({ tamper: () => [] });
    line.host.connect(0);
    const pending = line.submit({ opcode: Opcode.CHANNEL_LIST });
    line.run();
    expect(line.host.state).toBe('failed');
    expect(line.failure).toBeInstanceOf(BridgeError);
    expect((line.failure as BridgeError).code).toBe('CAMERA_SILENT');
    expect(line.sent.map(({ at }) => at)).toEqual([0, 250, 750, 1750, 3750, 5750, 7750, 9750]);
    expect(pending.outcome).toEqual({ kind: 'lost', reason: 'closed' });
    expect(line.host.deadline()).toBeUndefined();
  });

  it('a SYNC that is answered, and nothing else: CAMERA_SILENT in the end', () => {
    const line = hostAlone((opcode) => (opcode === Opcode.PROTO_SYNC ? [SYNC_ACK] : []));
    expect((line.failure as BridgeError).code).toBe('CAMERA_SILENT');
  });

  it('capabilities too short to be any', () => {
    const line = hostAlone((opcode) =>
      opcode === Opcode.PROTO_SYNC
        ? [SYNC_ACK]
        : opcode === Opcode.PROTO_GET_CAPS
          ? [capsReply(new Uint8Array(7))]
          : [],
    );
    expect((line.failure as BridgeError).code).toBe('CAMERA_PROTOCOL');
    expect(line.failure?.message).toMatch(/capabilities has 7 bytes/);
  });

  it('settings refused: CAMERA_PROTOCOL, with the status', () => {
    const line = new VirtualLine({ devicePayload: 49 });
    expect(() => line.connect()).toThrow(/refused the link settings \(max payload 50, status INVALID\)/);
    expect((line.failure as BridgeError).context).toEqual({ maxPayload: 50, status: Status.INVALID });
  });

  it('a payload limit of nothing at all is not believed', () => {
    const caps = encodeCaps({ crc: true, sequence: true, ack: true, events: true, maxPayload: 0 });
    const setCaps = encodePacket({ sequence: 1, channel: 0, flags: Flag.ACK, opcode: Opcode.PROTO_SET_CAPS });
    const line = hostAlone(
      (opcode) =>
        ({
          [Opcode.PROTO_SYNC]: [SYNC_ACK],
          [Opcode.PROTO_GET_CAPS]: [capsReply(caps)],
          [Opcode.PROTO_SET_CAPS]: [setCaps],
        })[opcode] ?? [],
    );
    expect(line.host.state).toBe('ready');
    expect(line.host.caps.maxPayload).toBe(50);
  });

  it('GET_CAPS refused: tried again from SYNC', () => {
    let refusals = 0;
    const line = new VirtualLine({
      tamper: (packet, direction) => {
        if (direction === 'toDevice' || parse(packet).opcode !== Opcode.PROTO_GET_CAPS || refusals > 1)
          return undefined;
        refusals++;
        return [
          encodePacket(
            { sequence: 0, channel: 0, flags: Flag.NAK, opcode: Opcode.PROTO_GET_CAPS },
            encodeHalfWord(Status.BUSY),
          ),
        ];
      },
    }).connect();
    expect(refusals).toBe(2);
    expect(line.host.state).toBe('ready');
  });
});
