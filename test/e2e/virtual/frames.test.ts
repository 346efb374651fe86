import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import crc32 from 'crc/calculators/crc32';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import {
  encodePacket,
  Flag,
  HEADER_SIZE,
  Opcode,
  packetSize,
  readHeader,
} from '../../../src/protocol/index.js';
import type { Capture } from '../../../src/virtual/index.js';
import { sleep, until } from './host.js';
import { camera, fixture, host } from './setup.js';

const checksum = (bytes: Uint8Array): string => (crc32(bytes) >>> 0).toString(16).padStart(8, '0');

describe('frames of a virtual camera', () => {
  for (const ack of [false, true]) {
    it(`arrive byte for byte as they were captured, acknowledgements ${ack ? 'on' : 'off'}`, async () => {
      const captures = new Map<string, Capture>();
      const made = await camera({ fps: 'max', onCapture: (capture) => captures.set(capture.crc32, capture) });
      const guest = await host(made, { ack });
      const channel = await guest.channel('frame');
      const numbers: number[] = [];
      for (let count = 0; count < 100; count++) {
        const jpeg = await guest.frame(channel);
        const capture = captures.get(checksum(jpeg));
        expect(capture).toMatchObject({ bytes: jpeg.length, width: 320, height: 240 });
        numbers.push(capture!.frame);
      }
      // In order, none twice, none left out but those that this host has lost.
      expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
      expect(numbers.at(-1)! - numbers[0]! - 99).toBeLessThanOrEqual(guest.lost);
      expect(captures.size).toBeGreaterThanOrEqual(100);
    });
  }

  it('are JPEGs of the size and kind that the script asks for', async () => {
    const guest = await host(await camera());
    const jpeg = await guest.frame(await guest.channel('frame'));
    const meta = await sharp(jpeg).metadata();
    expect(meta).toMatchObject({ format: 'jpeg', width: 320, height: 240, channels: 3 });
    expect(jpeg.length).toBeGreaterThan(15_000);
    expect(jpeg.length).toBeLessThan(30_000);
  });

  it("of the documentation's script arrive as well", async () => {
    const captures = new Set<string>();
    const made = await camera({ script: null, fps: 'max', onCapture: ({ crc32 }) => captures.add(crc32) });
    const guest = await host(made);
    await guest.exec(fixture('docs_frame_channel.py'));
    const channel = await guest.channel('frame');
    for (let count = 0; count < 50; count++) {
      const jpeg = await guest.frame(channel);
      expect(captures.delete(checksum(jpeg))).toBe(true);
    }
    expect(await guest.running()).toBe(true);
    expect(
      guest.events.filter(({ channel: id, event }) => id === channel && event === 1).length,
    ).toBeGreaterThan(40);
  });

  it('hold up every answer for as long as their compression takes', async () => {
    const compressMs = 300;
    const guest = await host(await camera({ compressMs, fps: 'max' }));
    const channel = await guest.channel('frame');
    await until('an answer that had to wait', async () => {
      await guest.frame(channel);
      await sleep(20);
      const asked = performance.now();
      await guest.poll(channel);
      return performance.now() - asked > compressMs / 2;
    });
    expect(guest.resyncs).toEqual([]);
  });

  it('come although their host sends each ACK together with the next poll', async () => {
    const made = await camera({ fps: 'max' });
    const guest = await host(made);
    const channel = await guest.channel('frame');
    await guest.frame(channel);
    await guest.close();
    const line = made.connect();
    const poll = (sequence: number) =>
      encodePacket({ sequence, channel: 0, flags: 0, opcode: Opcode.CHANNEL_POLL });
    let ready = false;
    const take = (bytes: Uint8Array, at: number): void => {
      const { opcode, sequence, flags } = readHeader(bytes, at);
      if ((flags & Flag.EVENT) !== 0) return;
      if (opcode === Opcode.PROTO_SYNC) line.write(poll(0));
      if (opcode !== Opcode.CHANNEL_POLL) return;
      ready = ((bytes[at + HEADER_SIZE]! >>> channel) & 1) === 1;
      const ack = encodePacket({ sequence, channel: 0, flags: Flag.ACK, opcode });
      if (!ready) line.write(Buffer.concat([ack, poll((sequence + 1) & 0xff)]));
    };
    line.start({
      data: (bytes) => {
        for (let at = 0; at < bytes.length; at += packetSize(readHeader(bytes, at).length)) take(bytes, at);
      },
      closed: () => undefined,
    });
    line.write(encodePacket({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_SYNC }));
    await until('a frame', () => ready);
    await line.close();
  });

  it('stay latched until their last byte has been read', async () => {
    const guest = await host(await camera({ fps: 'max' }));
    const channel = await guest.channel('frame');
    const [size = 0, , , number] = await until('a frame', async () => {
      const shape = await guest.shape(channel);
      return shape[0] ? shape : undefined;
    });
    const first = await guest.read(channel, 0, size - 1);
    expect((await guest.shape(channel))[3]).toBe(number);
    expect(await guest.read(channel, 0, size - 1)).toEqual(first);
    await guest.read(channel, size - 1, 1);
    await expect.poll(async () => (await guest.shape(channel))[3]).not.toBe(number);
  });

  it('are written to a ledger file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'ledger-'));
    try {
      const ledger = join(directory, 'captures.jsonl');
      const made = await camera({ ledger, fps: 'max' });
      const guest = await host(made);
      const channel = await guest.channel('frame');
      const jpeg = await guest.frame(channel);
      const second = await guest.frame(channel);
      const lines = readFileSync(ledger, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Capture);
      expect(lines[0]).toEqual({
        frame: 1,
        crc32: checksum(jpeg),
        bytes: jpeg.length,
        width: 320,
        height: 240,
      });
      expect(lines[1]?.crc32).toBe(checksum(second));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('come from files when there is a directory of pictures', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pictures-'));
    try {
      const colours = ['#ff0000', '#00ff00', '#0000ff'];
      for (const [index, background] of colours.entries()) {
        const create = { width: 50 + index, height: 80, channels: 3, background } as const;
        await sharp({ create })
          .png()
          .toFile(join(directory, `${index + 9}.png`));
      }
      const guest = await host(await camera({ images: directory, fps: 'max' }));
      const channel = await guest.channel('frame');
      for (const brightest of [0, 1, 2, 0]) {
        const { channels } = await sharp(await guest.frame(channel)).stats();
        expect(channels.map(({ mean }) => mean > 200)).toEqual([0, 1, 2].map((at) => at === brightest));
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
