import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { scriptText } from '../../../src/camera/script-text.js';
import { encodeIoRequest, encodePacket, Opcode, StreamDecoder } from '../../../src/protocol/index.js';
import { mulberry32 } from '../../../src/virtual/prng.js';
import { sleep, until } from './host.js';
import { blank, camera, host } from './setup.js';
import {
  checksum,
  HEADER,
  header,
  padded,
  RELEASE,
  scriptWith,
  take,
  WINDOW,
  windowHost,
} from './window-host.js';

/** The camera's clock has 30 bits. */
const TICKS = 2 ** 30;

describe("the window of the bundled script's frame channel", () => {
  it('says how often the clock of microseconds began again since a capture', async () => {
    const { host } = await blank();
    await host.exec(
      await scriptText(`import time
import frame_channel as script
for seconds in (0, 10, 1000, 1100, 3600, 432000, 560000):
    slot = script.Slot()
    slot.tick = (time.ticks_us() - seconds * 1000000) & 0x3FFFFFFF
    slot.ready_at = (time.ticks_ms() - seconds * 1000) & 0x3FFFFFFF
    print(script.turns(slot, time.ticks_us()), end=" ")
slot.ready_at = time.ticks_ms()
slot.ancient = True
print(script.turns(slot, time.ticks_us()), "all")
while True:
    time.sleep_ms(10)
`),
    );
    expect(await host.stdoutUntil('all')).toContain('0 0 0 1 3 402 65535 65535 all');
  });

  for (const ack of [false, true]) {
    it(`gives every capture, in order and none twice, acknowledgements ${ack ? 'on' : 'off'}`, async () => {
      const reader = await windowHost({}, { ack });
      const heads = await take(reader, 60);
      expect(heads.map(({ number }) => number)).toEqual(heads.map((_, at) => heads[0]!.number + at));
      expect(heads.at(-1)!.skipped).toBe(0);
    });
  }

  it('has the size that the event says, and nothing beyond it', async () => {
    const reader = await windowHost();
    await take(reader, 2);
    const { size } = await reader.frame();
    const length = padded(size);
    expect(reader.announced).toContain(length);
    expect(await reader.window(0, length + 1)).toBeUndefined();
    expect(await reader.window(length - 1, 2)).toBeUndefined();
    expect(await reader.window(length, 1)).toBeUndefined();
    expect((await reader.window(length - 1, 1))?.length).toBe(1);
  });

  it('can be read in any parts, as often as one likes, and by its end is not released', async () => {
    const reader = await windowHost();
    const { size, number } = await reader.latched();
    const whole = (await reader.window(0, padded(size)))!;
    for (let at = HEADER; at < padded(size); at += 1_000) {
      const length = Math.min(1_000, padded(size) - at);
      expect(await reader.window(at, length)).toEqual(whole.subarray(at, at + length));
    }
    expect((await reader.latched()).number).toBe(number);
  });

  it('says when the frame was captured, and what the time is now', async () => {
    const reader = await windowHost();
    const first = await reader.latched();
    await sleep(50);
    const second = await reader.latched();
    expect(second).toMatchObject({ number: first.number, captured: first.captured });
    const passed = (second.now - first.now + TICKS) % TICKS;
    expect(passed).toBeGreaterThanOrEqual(50_000 - 1_000);
    expect((first.now - first.captured + TICKS) % TICKS).toBeLessThan(TICKS / 2);
  });

  it('is there beside SHAPE and plain offsets, for the same frame', async () => {
    const reader = await windowHost();
    const { guest, channel } = reader;
    for (let round = 0; round < 10; round++) {
      const { size, number, width, height } = await reader.latched();
      expect(await guest.shape(channel)).toEqual([size, width, height, number]);
      const plain = await guest.read(channel, 0, size - 1);
      const window = (await reader.window(HEADER, size))!;
      expect(plain).toEqual(window.subarray(0, -1));
      if (round % 2 === 0) await guest.read(channel, size - 1, 1);
      else expect(await reader.release(number)).toBe(1);
      expect((await reader.latched()).number).toBe(number + 1);
    }
  });
});

describe.each(['1', '3'])('with %s buffers', (buffers) => {
  it('every capture comes, in order', async () => {
    const reader = await windowHost({}, { text: scriptWith({ BUFFERS: buffers, MAX_WAIT_MS: 'None' }) });
    await reader.latched();
    await reader.made(Number(buffers));
    const heads = await take(reader, 12);
    expect(heads.map(({ number }) => number)).toEqual(heads.map((_, at) => at + 1));
  });
});

describe('release by number', () => {
  it('is answered 1, then 2 however often it is repeated', async () => {
    const reader = await windowHost();
    const { number } = await reader.latched();
    await reader.made(2);
    expect(await reader.release(number)).toBe(1);
    expect(await reader.release(number)).toBe(2);
    expect(await reader.release(number)).toBe(2);
    expect((await reader.latched()).number).toBe(number + 1);
  });

  it('leaves the latched frame alone when the number is another one', async () => {
    const reader = await windowHost();
    await take(reader, 5);
    const { number } = await reader.latched();
    for (const older of [number - 1, number - 4]) expect(await reader.release(older)).toBe(2);
    for (const unknown of [number + 1, number + 2, number + 0x700_0000]) {
      expect(await reader.release(unknown)).toBe(0);
    }
    expect((await reader.latched()).number).toBe(number);
  });

  it('when nothing is latched: what was before is known, what comes is not', async () => {
    const reader = await windowHost({ fps: 0.1 });
    const { number } = await reader.frame();
    expect(await reader.release(number)).toBe(1);
    expect(await reader.release(number)).toBe(2);
    expect(await reader.release(number + 1)).toBe(0);
    expect(await reader.guest.shape(reader.channel)).toEqual([0, 0, 0, number]);
  });

  it('latches the next capture at once: a READ in the same write reads it', async () => {
    const made = await camera({ fps: 'max' });
    const guest = await host(made);
    const channel = await guest.channel('frame');
    await until('a frame', () => guest.size(channel));
    await guest.close();
    const line = made.connect();
    let sequence = 0;
    const packet = (opcode: number, id: number, payload?: Uint8Array): Uint8Array =>
      encodePacket({ sequence: sequence++, channel: id, flags: 0, opcode }, payload);
    const read = (offset: number, length: number): Uint8Array =>
      packet(Opcode.CHANNEL_READ, channel, encodeIoRequest(offset, length));
    const replies: { opcode: number; flags: number; bytes: Uint8Array }[] = [];
    const decoder = new StreamDecoder(
      {
        packet: ({ opcode, flags, length }, { buffer, offset }) =>
          replies.push({ opcode, flags, bytes: buffer.slice(offset, offset + length) }),
      },
      4_082,
    );
    line.start({ data: (bytes) => decoder.push(bytes), closed: () => undefined });
    const answers = (count: number) =>
      until(`${count} answers`, () => {
        const found = replies.filter(({ opcode }) => opcode === Opcode.CHANNEL_READ);
        return found.length >= count ? found : undefined;
      });
    line.write(encodePacket({ sequence: 0, channel: 0, flags: 0, opcode: Opcode.PROTO_SYNC }));
    await until('the answer to SYNC', () => replies.some(({ opcode }) => opcode === Opcode.PROTO_SYNC));
    // Acknowledgements off.
    line.write(
      packet(Opcode.PROTO_SET_CAPS, 0, Uint8Array.from([11, 0, 0, 0, 0xf2, 0x0f, ...new Array(10).fill(0)])),
    );
    line.write(read(WINDOW, HEADER));
    const { number } = header((await answers(1))[0]!.bytes);
    // The capture behind it waits.
    await sleep(200);
    line.write(Buffer.concat([read(RELEASE + number, 1), read(WINDOW, HEADER)]));
    const [, released, next] = await answers(3);
    expect([...released!.bytes]).toEqual([1]);
    expect(header(next!.bytes).number).toBe(number + 1);
    await line.close();
  });
});

describe('captures that wait', () => {
  it('one, once the host has begun to read the frame before it, and its event comes at once', async () => {
    const reader = await windowHost();
    await reader.made(1);
    await sleep(100);
    expect(reader.captures.size).toBe(1);
    await reader.latched();
    await reader.made(2);
    await sleep(100);
    expect(reader.captures.size).toBe(2);
    expect(reader.announced).toContainEqual(padded([...reader.captures.values()][1]!.bytes));
  });

  it('too long are given up for a new one, and counted', async () => {
    const reader = await windowHost({}, { text: scriptWith({ MAX_WAIT_MS: '100' }) });
    const { number } = await reader.latched();
    await reader.made(2);
    await sleep(300);
    expect(await reader.release(number)).toBe(1);
    const next = await reader.frame();
    expect(next).toMatchObject({ number: number + 2, skipped: 1 });
    expect(await reader.release(number + 1)).toBe(2);
  });

  it('are kept for ever when the script is told so over its control channel', async () => {
    const reader = await windowHost({}, { text: scriptWith({ MAX_WAIT_MS: '100' }) });
    const control = await reader.guest.channel('control');
    await reader.guest.write(control, 0, new TextEncoder().encode('{"id": 7, "set": {"max_wait": null}}\n'));
    await until('the reply', async () => (await reader.guest.shape(control))[1] === 7);
    const { number, skipped } = await reader.latched();
    await reader.made(2);
    await sleep(300);
    expect(await reader.release(number)).toBe(1);
    expect(await reader.frame()).toMatchObject({ number: number + 1, skipped });
  });

  it('make room for a change of settings: what comes after the answer shows it', async () => {
    const reader = await windowHost({ fps: 30 });
    const control = await reader.guest.channel('control');
    const { number } = await reader.frame();
    await reader.made(2);
    await reader.guest.write(control, 0, new TextEncoder().encode('{"id": 9, "set": {"quality": 10}}\n'));
    await until('the reply', async () => (await reader.guest.shape(control))[1] === 9);
    // Still latched: the host was reading it.
    const before = await reader.frame();
    expect(before.number).toBe(number);
    expect(await reader.release(number)).toBe(1);
    const after = await reader.frame();
    expect(after).toMatchObject({ number: number + 2, skipped: 1 });
    expect(after.size).toBeLessThan(before.size / 2);
  });
});

it('each capture is read once or counted, whatever is set in between and however a host reads', async () => {
  const reader = await windowHost({}, { text: scriptWith({ MAX_WAIT_MS: '50' }) });
  const { guest, channel, captures } = reader;
  const control = await guest.channel('control');
  const random = mulberry32(12);
  const numbers: number[] = [];
  for (let round = 1; round <= 80; round++) {
    const head = await reader.frame();
    if (random() < 0.2) await sleep(random() < 0.3 ? 400 : 80);
    if (random() < 0.3) {
      const text = JSON.stringify({ id: round, set: { quality: 20 + Math.floor(random() * 70) } });
      await guest.write(control, 0, new TextEncoder().encode(`${text}\n`));
      await until('the reply', async () => (await guest.shape(control))[1] === round);
    }
    if (random() < 0.5) {
      if ((await reader.release(head.number)) === 1) numbers.push(head.number);
    } else {
      const [size = 0, , , number = 0] = await guest.shape(channel);
      if (size === 0) continue;
      const jpeg = await guest.read(channel, 0, size);
      expect(captures.has(checksum(jpeg))).toBe(true);
      numbers.push(number);
    }
  }
  expect(new Set(numbers).size).toBe(numbers.length);
  expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  const { number, skipped } = await reader.frame();
  expect(number - 1 - numbers.length).toBe(skipped);
  expect(skipped).toBeGreaterThan(0);
});

it('settings show from the first capture after the answer on, whatever lies in the frame buffers', async () => {
  const reader = await windowHost({ fps: 30 });
  const control = await reader.guest.channel('control');
  for (const [id, exposure, dark] of [
    [21, 1_000, true],
    [22, 30_000, false],
    [23, 1_000, true],
    [24, 30_000, false],
  ] as const) {
    const { number } = await reader.frame();
    // A frame lies in the sensor's buffers, and one waits.
    await sleep(100);
    const text = JSON.stringify({ id, set: { exposure } });
    await reader.guest.write(control, 0, new TextEncoder().encode(`${text}\n`));
    await until('the reply', async () => (await reader.guest.shape(control))[1] === id);
    await reader.release(number);
    const { size } = await reader.frame();
    const { channels } = await sharp(await reader.window(HEADER, size)).stats();
    expect(channels[1]!.mean < 60, `${exposure} us: ${channels[1]!.mean}`).toBe(dark);
  }
});

it('a host of plain offsets that repeats a READ after the release gets no part of the next frame', async () => {
  const reader = await windowHost();
  const { guest, channel } = reader;
  await until('a frame', () => guest.size(channel));
  const size = await guest.size(channel);
  await guest.read(channel, 0, size - 100);
  await reader.made(2);
  await guest.read(channel, size - 100, 100);
  const again = await guest.tryRead(channel, size - 100, 100);
  expect(again.outcome.kind).toBe('nak');
  const next = await until('the next frame', () => guest.size(channel));
  expect(reader.captures.has(checksum(await guest.read(channel, 0, next)))).toBe(true);
});
