import { describe, expect, it } from 'vitest';
import { ChannelFlag, Opcode, SystemEvent } from '../../../src/protocol/constants.js';
import { encodeIoRequest } from '../../../src/protocol/index.js';
import type { DeviceChannel } from '../../../src/virtual/device/device-types.js';
import { evenly } from '../../fakes/line-faults.js';
import { Random } from '../../fakes/random.js';
import { type Pending, VirtualLine } from '../../fakes/virtual-line.js';

/** Byte `index` of what a channel gives at its `call`th READ: no two READs give the same. */
const byteOf = (call: number, index: number): number => (call * 57 + index * 13 + (index >> 8) * 7) & 0xff;

function dataOf(call: number, offset: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => byteOf(call, offset + index));
}

interface Device {
  readonly frame: number;
  readonly pieces: number;
  readonly input: number;
  readonly calls: Map<number, number>;
  readonly writes: number[];
}

/** A readp channel, a read() channel with pieces of any size, and one that counts what is written to it. */
function equip(line: VirtualLine, random: Random): Device {
  const calls = new Map<number, number>();
  const writes: number[] = [];
  let frame = -1;
  let pieces = -1;
  const next = (id: number): number => {
    calls.set(id, (calls.get(id) ?? 0) + 1);
    return calls.get(id)!;
  };
  let rest = 0;
  const frameChannel: DeviceChannel = {
    name: 'frame',
    flags: ChannelFlag.READ,
    readp: (offset, length) => dataOf(next(frame), offset, length),
  };
  const pieceChannel: DeviceChannel = {
    name: 'pieces',
    flags: ChannelFlag.READ,
    read: (offset, length) => {
      if (offset === 0) rest = next(pieces);
      return random.chance(0.002)
        ? undefined
        : dataOf(rest, offset, random.chance(0.5) ? length : 1 + random.below(length));
    },
  };
  const input: DeviceChannel = {
    name: 'in',
    flags: ChannelFlag.WRITE,
    write: (offset) => {
      writes.push(offset);
      return 1;
    },
  };
  frame = line.device.register(frameChannel, 5);
  pieces = line.device.register(pieceChannel, 6);
  return { frame, pieces, input: line.device.register(input, 7), calls, writes };
}

/** Whether all bytes that are not missing come from one and the same READ of the device's. */
function fromOneCall(pending: Pending, calls: number): boolean {
  const { outcome, settledBytes } = pending;
  if (outcome?.kind !== 'read' || !settledBytes) return true;
  const valid = settledBytes.map((_, index) =>
    outcome.missing.some(({ from, to }) => index >= from && index < to) ? 0 : 1,
  );
  for (let call = 1; call <= calls; call++) {
    if (settledBytes.every((byte, index) => valid[index] === 0 || byte === byteOf(call, index))) return true;
  }
  return false;
}

/** Some hundred requests of all kinds over a line of any quality, interrupted in every way. */
function walk(seed: number): {
  line: VirtualLine;
  device: Device;
  mixed: number;
  written: Map<number, Pending>;
} {
  const random = new Random(seed);
  const limits = [52, 100, 498, 512, 4082];
  const maxPayload = limits[random.below(limits.length)]!;
  const line = new VirtualLine({
    wanted: { ack: random.chance(0.5), maxPayload },
    seed: seed + 1,
    latencyMs: [0, 0.1, 3, 30][random.below(4)]!,
    ...(random.chance(0.5) ? { pieces: 1 + random.below(300) } : {}),
  }).connect();
  line.keepSent = false;
  const device = equip(line, random);
  const share = [0, 0.01, 0.05, 0.2][random.below(4)]!;
  line.faults = { toHost: evenly(share), toDevice: evenly(share) };
  const reads: Pending[] = [];
  const written = new Map<number, Pending>();
  for (let round = 0; round < 60; round++) {
    if (line.host.state === 'failed') line.host.connect(line.now);
    const batch: Pending[] = [];
    for (let count = 1 + random.below(5); count > 0; count--) {
      const kind = random.below(10);
      const length = 1 + random.below(Math.min(60 * maxPayload, 9_000));
      if (kind < 6) {
        const pending = line.submit({
          opcode: Opcode.CHANNEL_READ,
          channel: kind < 4 ? device.frame : device.pieces,
          payload: encodeIoRequest(0, length),
          destination: new Uint8Array(length),
          attempts: 1 + random.below(3),
          ahead: kind < 3,
        });
        reads.push(pending);
        batch.push(pending);
      } else if (kind < 8) {
        const number = round * 10 + count;
        const pending = line.submit({
          opcode: Opcode.CHANNEL_WRITE,
          channel: device.input,
          payload: encodeIoRequest(number, 20, random.bytes(20)),
        });
        written.set(number, pending);
        batch.push(pending);
      } else {
        batch.push(line.submit({ opcode: Opcode.CHANNEL_LIST, attempts: 2 }));
      }
    }
    if (random.chance(0.2)) line.at(line.now + random.below(50), () => line.host.resync(line.now, 'timeout'));
    if (random.chance(0.1)) {
      line.at(line.now + random.below(20), () => {
        line.device.sendEvent(0, SystemEvent.SOFT_REBOOT, false, line.now);
        line.device.reset();
      });
    }
    if (random.chance(0.3)) {
      line.at(line.now + random.below(20), () =>
        line.device.sendEvent(9, round, random.chance(0.3), line.now),
      );
    }
    line.run(() => batch.every(({ outcome }) => outcome !== undefined));
    if (random.chance(0.3)) line.runFor(random.below(3_000));
  }
  line.faults = {};
  if (line.host.state === 'failed') line.host.connect(line.now);
  line.run();
  const mixed = reads.filter(
    (read) => !fromOneCall(read, device.calls.get(read.request.channel) ?? 0),
  ).length;
  return { line, device, mixed, written };
}

describe('anything may happen to the line, at any moment', () => {
  it.each(Array.from({ length: 40 }, (_, index) => index + 1))('seed %i', (seed) => {
    const { line, device, mixed, written } = walk(seed);
    // No READ gives bytes of two READs, or bytes that no READ gave, without saying so.
    expect(mixed).toBe(0);
    // A write that was acknowledged was carried out once, one that was refused never, any other at most once.
    for (const [number, { outcome }] of written) {
      const times = device.writes.filter((offset) => offset === number).length;
      if (outcome?.kind === 'ack') expect(times).toBe(1);
      else if (outcome?.kind === 'nak') expect(times).toBe(0);
      else expect(times).toBeLessThanOrEqual(1);
    }
    expect(line.problems()).toEqual([]);
    expect(line.ask({ opcode: Opcode.PROTO_VERSION, attempts: 3 }).kind).toBe('reply');
    expect(line.device.caps).toEqual(line.host.caps);
    expect(line.problems()).toEqual([]);
  });
});
