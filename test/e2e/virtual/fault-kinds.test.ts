/** Each kind of fault does what it says, and what a bridge makes of it. */
import { describe, expect, it } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import type { Frame } from '../../../src/frames/frame.js';
import { Flag, Opcode } from '../../../src/protocol/constants.js';
import { encodePacket } from '../../../src/protocol/packet.js';
import type { Capture } from '../../../src/virtual/index.js';
import { BREAK_KINDS, FAULT_KINDS, parseFaults } from '../../../src/virtual/line/fault-options.js';
import { FaultyLine } from '../../../src/virtual/line/faults.js';
import { LinePacer } from '../../../src/virtual/line/line-pacer.js';

const packet = (sequence: number, flags = 0): Uint8Array =>
  encodePacket({ sequence, channel: 5, flags, opcode: Opcode.CHANNEL_READ }, Uint8Array.of(sequence, 1, 2));

/** What comes out of a line on which every packet meets the fault. */
function through(spec: string, packets: readonly Uint8Array[]): { bytes: Buffer; late: number[] } {
  const line = new FaultyLine(parseFaults(spec), 'to-host');
  const pieces: Buffer[] = [];
  const late: number[] = [];
  for (const one of packets) {
    line.push(one.slice(), (bytes, lateMs = 0) => {
      pieces.push(Buffer.from(bytes));
      late.push(lateMs);
    });
  }
  return { bytes: Buffer.concat(pieces), late };
}

describe('on the line', () => {
  it('double: twice the same', () => {
    expect(through('double=100%', [packet(1)]).bytes).toEqual(Buffer.concat([packet(1), packet(1)]));
  });

  it('garbage: bytes before a packet that is whole', () => {
    const { bytes } = through('garbage=100%', [packet(1)]);
    expect(bytes.length).toBeGreaterThan(packet(1).length);
    expect(bytes.subarray(-packet(1).length)).toEqual(Buffer.from(packet(1)));
  });

  it('reorder: an event changes places with the packet behind it, other packets stay where they are', () => {
    const event = packet(7, Flag.EVENT);
    const { bytes } = through('reorder=100%', [packet(1), event, packet(2), packet(3)]);
    expect(bytes).toEqual(Buffer.concat([packet(1), packet(2), event, packet(3)]));
  });

  it('delay and stall: the packet is whole, and late', () => {
    expect(through('delay=100%,delay-ms=15', [packet(1)])).toEqual({
      bytes: Buffer.from(packet(1)),
      late: [15],
    });
    expect(through('stall=100%,stall-ms=900', [packet(1)])).toEqual({
      bytes: Buffer.from(packet(1)),
      late: [900],
    });
  });

  it('is described by people in one line, and what is wrong in it is named', () => {
    const options = parseFaults('double=1%,stall=0.5%,stall-ms=250,throttle=50000,seed=3');
    expect(options).toMatchObject({
      double: 0.01,
      stall: 0.005,
      stallMs: 250,
      throttle: 50_000,
      seed: 3,
      drop: 0,
    });
    expect(() => parseFaults('stall-ms=0')).toThrow(/stall-ms=0/);
    expect(() => parseFaults('throttle=fast')).toThrow(/throttle=fast/);
  });
});

describe('LinePacer', () => {
  it('keeps the order, and lets nothing overtake what is late', async () => {
    const pacer = new LinePacer(0);
    const out: number[] = [];
    const take = (bytes: Uint8Array): void => void out.push(...bytes);
    pacer.push(Uint8Array.of(1), 0, take);
    expect(out).toEqual([1]);
    pacer.push(Uint8Array.of(2), 30, take);
    pacer.push(Uint8Array.of(3), 0, take);
    expect(out).toEqual([1]);
    await expect.poll(() => out).toEqual([1, 2, 3]);
    pacer.push(Uint8Array.of(4), 0, take);
    expect(out).toEqual([1, 2, 3, 4]);
  });

  it('holds bytes to a rate, a bounded number of them, and forgets them when told', async () => {
    const pacer = new LinePacer(1_000);
    let count = 0;
    const start = performance.now();
    for (let i = 0; i < 5; i++) pacer.push(new Uint8Array(20), 0, (bytes) => (count += bytes.length));
    await expect.poll(() => count).toBe(100);
    expect(performance.now() - start).toBeGreaterThan(95);
    pacer.push(new Uint8Array(1_000), 0, (bytes) => (count += bytes.length));
    pacer.reset();
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(count).toBe(100);
  });
});

const SHARES: Record<string, string> = { hangup: '0.3%', reboot: '0.1%', stall: '0.3%', garbage: '3%' };

describe('over a whole bridge', () => {
  it.each([...FAULT_KINDS])(
    '%s: every frame delivered is a capture, none twice, numbered without gap',
    async (kind) => {
      const captures: Capture[] = [];
      const breaks = (BREAK_KINDS as readonly string[]).includes(kind);
      const count = breaks ? 120 : 80;
      const bridge = await openBridge({
        port: 'virtual',
        shm: false,
        frames: count,
        virtual: {
          fps: 'max',
          faults: `${kind}=${SHARES[kind] ?? '2%'},stall-ms=300,seed=5`,
          onCapture: (capture: Capture) => captures.push(capture),
        },
      });
      const frames: Frame[] = [];
      let disconnected = 0;
      bridge.frames$.subscribe((frame) => frames.push(frame));
      bridge.events$.subscribe((event) => {
        if (event.type === 'disconnected') disconnected++;
      });
      await bridge.done;
      const order = new Map(captures.map((capture, index) => [`${capture.crc32} ${capture.bytes}`, index]));
      const delivered = frames.map((frame) => order.get(`${frame.crc32} ${frame.bytes}`));
      expect(delivered).not.toContain(undefined);
      expect(delivered).toEqual([...new Set(delivered)].sort((a, b) => a! - b!));
      expect(frames.map((frame) => frame.sequence)).toEqual(
        Array.from({ length: count }, (_, index) => index + 1),
      );
      expect(disconnected > 0).toBe(breaks);
    },
  );

  it('a slow line carries fewer frames, all of them whole', async () => {
    const bridge = await openBridge({
      port: 'virtual',
      shm: false,
      frames: 6,
      virtual: { fps: 'max', faults: 'throttle=120000' },
    });
    let bytes = 0;
    const start = performance.now();
    bridge.frames$.subscribe((frame) => {
      bytes += frame.bytes;
    });
    await bridge.done;
    expect(bytes / ((performance.now() - start) / 1_000)).toBeLessThan(150_000);
    expect(bridge.stats().dropped).toBe(0);
  });
});
