import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HostLink } from '../../../src/link/host-link.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { encodeCaps, encodeIoRequest } from '../../../src/protocol/index.js';
import { encodePacket } from '../../../src/protocol/packet.js';
import { DeviceLink } from '../../../src/virtual/device/device-link.js';
import { testIdentity } from '../../fakes/test-identity.js';
import { bufferChannel, pattern, pieceChannel } from './support.js';

const SINK = { event: () => undefined, ready: () => undefined, failed: () => undefined };
const WANTED = { crc: true, sequence: true, ack: true, events: true, maxPayload: 498 };

/** Bytes of every kind: noise, sync words, whole packets with any header and any payload, and pieces of them. */
const packet = fc
  .record({
    sequence: fc.oneof(fc.nat(255), fc.nat(8)),
    channel: fc.oneof(fc.nat(255), fc.nat(6)),
    flags: fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 8, 16, 32, 40)),
    opcode: fc.oneof(fc.nat(255), fc.constantFrom(...Object.values(Opcode))),
    payload: fc.oneof(
      fc.constant(new Uint8Array(0)),
      fc.uint8Array({ maxLength: 600 }),
      fc.constantFrom(498, 204).map((length) => pattern(length)),
      fc.nat(0xffff).map((value) => Uint8Array.of(value, value >> 8)),
      fc
        .nat(0xffff)
        .map((maxPayload) =>
          encodeCaps({ ...WANTED, ack: maxPayload % 2 === 0, crc: maxPayload % 3 > 0, maxPayload }),
        ),
    ),
    crc: fc.boolean(),
  })
  .map(({ payload, crc, ...header }) => encodePacket(header, payload, crc));
/** Packets that a device might really send to this host, in any order. */
const answer = (flags: number, opcode: number, sequence = 0): Uint8Array =>
  encodePacket({ sequence, channel: 0, flags, opcode });
const likely = fc.oneof(
  fc.constantFrom(
    answer(1, Opcode.PROTO_SYNC),
    answer(1, Opcode.PROTO_SET_CAPS),
    answer(1, Opcode.PROTO_SET_CAPS, 1),
  ),
  fc
    .uint8Array({ maxLength: 20 })
    .map((payload) =>
      encodePacket({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_GET_CAPS }, payload),
    ),
  fc
    .record({
      sequence: fc.nat(12),
      channel: fc.nat(2),
      last: fc.boolean(),
      length: fc.constantFrom(498, 204, 77),
    })
    .map(({ sequence, channel, last, length }) =>
      encodePacket({ sequence, channel, flags: last ? 0 : 16, opcode: Opcode.CHANNEL_READ }, pattern(length)),
    ),
  fc
    .record({ sequence: fc.nat(12), channel: fc.nat(2), status: fc.nat(12) })
    .map(({ sequence, channel, status }) =>
      encodePacket({ sequence, channel, flags: 2, opcode: Opcode.CHANNEL_READ }, Uint8Array.of(status, 0)),
    ),
);
const bytes = fc.oneof(
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }) },
  { weight: 1, arbitrary: fc.constant(Uint8Array.of(0xaa, 0xd5)) },
  { weight: 4, arbitrary: packet },
  { weight: 4, arbitrary: likely },
  { weight: 1, arbitrary: fc.tuple(packet, fc.nat(700)).map(([whole, end]) => whole.subarray(0, end)) },
);

type Step = { bytes: Uint8Array } | { wait: number } | { request: number } | { resync: true };
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: bytes.map((chunk) => ({ bytes: chunk })) },
  { weight: 2, arbitrary: fc.oneof(fc.nat(5), fc.nat(3_000)).map((wait) => ({ wait })) },
  { weight: 2, arbitrary: fc.nat(5).map((request) => ({ request })) },
  { weight: 1, arbitrary: fc.constant({ resync: true } as const) },
);

/** Ticks at every deadline until `until`; throws when a tick neither moves its deadline nor ends it. */
function tickUntil(
  machine: { deadline(): number | undefined; tick(now: number): void },
  until: number,
): void {
  for (let deadline = machine.deadline(); deadline !== undefined && deadline <= until; ) {
    machine.tick(deadline);
    const next = machine.deadline();
    if (next !== undefined && next <= deadline)
      throw new Error(`a tick at ${deadline} leads to one at ${next}`);
    deadline = next;
  }
}

describe('whatever arrives', () => {
  it('the host machine neither throws nor loops, settles each request once, and ends idle', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(step, { maxLength: 60 }), (helpful, steps) => {
        let now = 0;
        const replies: Uint8Array[] = [];
        const link: HostLink = new HostLink(
          { wanted: WANTED },
          {
            ...SINK,
            // A device that gets the host up, so that more than synchronisation is exercised.
            transmit: (sent) => {
              const opcode = sent[5]!;
              if (!helpful || sent[4] !== 0 || opcode > Opcode.PROTO_SET_CAPS) return;
              const flags = opcode === Opcode.PROTO_GET_CAPS ? 0 : 1;
              const payload = opcode === Opcode.PROTO_GET_CAPS ? encodeCaps(WANTED) : new Uint8Array(0);
              replies.push(encodePacket({ sequence: sent[2]!, channel: 0, flags, opcode }, payload));
            },
          },
        );
        const flush = (): void => {
          for (let reply = replies.shift(); reply; reply = replies.shift()) link.receive(reply, now);
        };
        const settled: number[] = [];
        const destinations: { buffer: Uint8Array; at: Uint8Array | undefined }[] = [];
        link.connect(now);
        flush();
        for (const action of steps) {
          if ('bytes' in action) link.receive(action.bytes, now);
          else if ('resync' in action) link.resync(now, 'timeout');
          else if ('wait' in action) {
            tickUntil(link, now + action.wait);
            now += action.wait;
          } else {
            const index = settled.push(0) - 1;
            const record: (typeof destinations)[number] = { buffer: new Uint8Array(1_200), at: undefined };
            const reading = action.request < 3;
            destinations.push(record);
            link.submit(
              {
                opcode: reading ? Opcode.CHANNEL_READ : Opcode.CHANNEL_LIST,
                channel: reading ? action.request : 0,
                payload: reading ? encodeIoRequest(0, 1_200) : new Uint8Array(0),
                ...(reading ? { destination: record.buffer } : {}),
                attempts: 1 + (action.request % 2),
                settle: () => {
                  settled[index]!++;
                  record.at = record.buffer.slice();
                },
              },
              now,
            );
          }
          flush();
        }
        tickUntil(link, now + 200_000);
        link.close();
        expect(link.deadline()).toBeUndefined();
        expect(settled.every((times) => times === 1)).toBe(true);
        for (const { buffer, at } of destinations) expect(buffer).toEqual(at);
      }),
      { numRuns: 1_000 },
    );
  });

  it('the device machine neither throws nor loops', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0;
        const device = new DeviceLink({
          identity: testIdentity(),
          maxPayload: 498,
          transmit: () => undefined,
        });
        device.register(bufferChannel(pattern(900)), 2);
        device.register(pieceChannel(pattern(900), [7, 512, 0]));
        device.register({
          name: 'all',
          flags: 15,
          poll: () => true,
          shape: () => [1, 2],
          write: (_offset, data) => data.length,
          ioctl: () => 0,
          lock: () => true,
          unlock: () => true,
        });
        for (const action of steps) {
          if ('bytes' in action) device.receive(action.bytes, now);
          else if ('wait' in action) {
            tickUntil(device, now + action.wait);
            now += action.wait;
          } else if ('request' in action) device.sendEvent(action.request, 1, true, now);
          else device.sendEvent(0, 0xffff, false, now);
        }
        tickUntil(device, now + 200_000);
        device.receive(
          encodePacket({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_SYNC }),
          now + 200_000,
        );
        expect(device.sequence).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1_000 },
    );
  });
});
