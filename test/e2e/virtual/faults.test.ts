import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { Opcode } from '../../../src/protocol/constants.js';
import { encodePacket } from '../../../src/protocol/packet.js';
import { parseFaults } from '../../../src/virtual/line/fault-options.js';
import { FaultyLine, LineFaults } from '../../../src/virtual/line/faults.js';
import { until } from './host.js';
import { camera, host } from './setup.js';

const failure = (text: string): BridgeError => {
  try {
    parseFaults(text);
  } catch (error) {
    if (error instanceof BridgeError) return error;
  }
  throw new Error(`"${text}" was understood`);
};

describe('fault options', () => {
  it('2%: every kind has its share of it', () => {
    const { drop, flip, cut, direction } = parseFaults('2%');
    expect(drop + flip + cut).toBeCloseTo(0.02, 10);
    expect([flip, cut, direction]).toEqual([drop, drop, 'both']);
  });

  it('are read part by part', () => {
    expect(parseFaults('drop=1%, flip=0.5%,cut=0.25%,seed=7,direction=to-host')).toMatchObject({
      drop: 0.01,
      flip: 0.005,
      cut: 0.0025,
      seed: 7,
      direction: 'to-host',
    });
    expect(parseFaults('drop=3%')).toMatchObject({ drop: 0.03, flip: 0, cut: 0, seed: 1, direction: 'both' });
  });

  it('that are wrong are named', () => {
    for (const [text, part] of [
      ['2', '2'],
      ['drop=1%,flop=2%', 'flop=2%'],
      ['drop=120%', 'drop=120%'],
      ['drop=1', 'drop=1'],
      ['seed=x,drop=1%', 'seed=x'],
      ['seed=99999999999', 'seed=99999999999'],
      ['seed=4999999999,drop=1%', 'seed=4999999999'],
      ['direction=up', 'direction=up'],
      ['drop=1%,drop=2%', 'drop=2%'],
      ['', ''],
      ['drop=60%,flip=60%', 'drop=60%,flip=60%'],
    ]) {
      const error = failure(text!);
      expect(error.code).toBe('OPTION_INVALID');
      expect(error.context).toMatchObject({ part });
      expect(error.message).toContain(`"${part}"`);
    }
  });
});

/** Packets of different length, channel requests, in one array each. */
const packets = Array.from({ length: 400 }, (_, number) =>
  encodePacket(
    { sequence: number & 0xff, channel: 4, flags: 0, opcode: Opcode.CHANNEL_READ },
    new Uint8Array((number * 7) % 60).fill(number),
  ),
);
const stream = Buffer.concat(packets);

function damaged(line: FaultyLine, chunk = stream.length): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; at < stream.length; at += chunk) {
    line.push(stream.subarray(at, at + chunk), (bytes) => out.push(Buffer.from(bytes)));
  }
  return Buffer.concat(out);
}

describe('a faulty line', () => {
  it('without faults passes every byte on, in any chunking', () => {
    for (const chunk of [1, 7, 64, 5000]) {
      expect(damaged(new FaultyLine(parseFaults('drop=0%'), 'to-host'), chunk).equals(stream)).toBe(true);
    }
  });

  it('does the same to the same packets with the same seed, whatever the chunking', () => {
    const options = parseFaults('30%,seed=5');
    const first = damaged(new FaultyLine(options, 'to-host'));
    for (const chunk of [1, 13, 1000]) {
      expect(damaged(new FaultyLine(options, 'to-host'), chunk).equals(first)).toBe(true);
    }
    expect(damaged(new FaultyLine({ ...options, seed: 6 }, 'to-host')).equals(first)).toBe(false);
    expect(damaged(new FaultyLine(options, 'to-camera')).equals(first)).toBe(false);
  });

  it('drops, flips and cuts as often as it is told, and counts', () => {
    for (const kind of ['drop', 'flip', 'cut'] as const) {
      const line = new FaultyLine(parseFaults(`${kind}=25%`), 'to-host');
      const out = damaged(line);
      const hit = line.counts[kind];
      expect(line.counts).toMatchObject({ packets: 400, drop: 0, flip: 0, cut: 0, [kind]: hit });
      expect(hit).toBeGreaterThan(60);
      expect(hit).toBeLessThan(140);
      if (kind === 'flip') {
        const bits = out.reduce((sum, byte, at) => sum + ones(byte ^ stream[at]!), 0);
        expect([out.length, bits]).toEqual([stream.length, hit]);
      } else {
        expect(out.length).toBeLessThan(stream.length);
      }
    }
  });

  it('leaves the other direction alone, and everything before a host asks for channels', () => {
    const one = new LineFaults(parseFaults('drop=100%,direction=to-host'));
    let bytes = 0;
    const count = (chunk: Uint8Array): void => {
      bytes += chunk.length;
    };
    const sync = encodePacket({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_SYNC });
    one.toCamera.push(sync, count);
    one.toHost.push(sync, count);
    expect(bytes).toBe(20);
    one.toCamera.push(packets[0]!, count);
    expect(bytes).toBe(20 + packets[0]!.length);
    one.toHost.push(sync, count);
    expect(bytes).toBe(20 + packets[0]!.length);
    expect(one.injected.toHost).toMatchObject({ packets: 1, drop: 1, flip: 0, cut: 0 });
    expect(one.injected.toCamera.packets).toBe(0);
    one.disarm();
    one.toHost.push(sync, count);
    expect(bytes).toBe(30 + packets[0]!.length);
  });

  it('passes on what is no packet', () => {
    const out: number[] = [];
    const line = new FaultyLine(parseFaults('drop=100%'), 'to-host');
    line.push(Uint8Array.of(1, 2, 0xaa, 3, 0xaa), (bytes) => out.push(...bytes));
    expect(out).toEqual([1, 2, 0xaa, 3]);
  });
});

function ones(byte: number): number {
  let count = 0;
  for (let rest = byte; rest > 0; rest >>= 1) count += rest & 1;
  return count;
}

describe('a virtual camera with faults', () => {
  it('is connected undisturbed, and its frames can still be had', async () => {
    const made = await camera({ faults: 'drop=2%,flip=2%,cut=1%,seed=3', fps: 'max' });
    expect(made.injected.toHost.packets).toBe(0);
    const guest = await host(made);
    const channel = await guest.channel('frame');
    let whole = 0;
    await until(
      'ten whole frames',
      async () => {
        try {
          const jpeg = await guest.frame(channel);
          if (jpeg[0] === 0xff && jpeg.at(-1) === 0xd9) whole++;
        } catch {
          // Lost on the way: the next attempt counts.
        }
        return whole >= 10;
      },
      50_000,
    );
    const { toHost, toCamera } = made.injected;
    expect(toHost.drop + toHost.flip + toHost.cut).toBeGreaterThan(0);
    expect(toHost.packets).toBeGreaterThan(50);
    expect(toCamera.packets).toBeGreaterThan(20);
  });
});
