import { describe, expect, it } from 'vitest';
import { until } from './host.js';
import { checksum, HEADER, scriptWith, take, windowHost } from './window-host.js';

/** A script whose memory does not suffice for the buffers from that one on. */
const withoutMemory = (buffers: number): string =>
  scriptWith(
    {},
    [
      '_bytearray = bytearray',
      '_left = [0]',
      'def bytearray(value):',
      '    if isinstance(value, int) and value > 4096:',
      '        _left[0] += 1',
      `        if _left[0] > ${buffers}:`,
      '            raise MemoryError("memory allocation failed")',
      '    return _bytearray(value)',
    ].join('\n'),
  );

describe("memory for the bundled script's buffers", () => {
  for (const [what, text] of [
    ['none for buffers', withoutMemory(0)],
    ['one buffer in the frame buffer, as the script is told', scriptWith({ BUFFERS: '0' })],
  ] as const) {
    it(`${what}: frames come without a window, all of them, whole`, async () => {
      const reader = await windowHost({}, { text });
      const { guest, channel, captures } = reader;
      const numbers: number[] = [];
      for (let count = 0; count < 20; count++) {
        const [size = 0, , , number] = await until('a frame', async () => {
          const shape = await guest.shape(channel);
          return shape[0] ? shape : undefined;
        });
        numbers.push(number!);
        expect(await reader.window(0, HEADER)).toBeUndefined();
        expect(captures.has(checksum(await guest.read(channel, 0, size)))).toBe(true);
      }
      expect(numbers).toEqual(numbers.map((_, at) => numbers[0]! + at));
      expect(reader.announced.every((size) => size === 0)).toBe(true);
      expect(await guest.running()).toBe(true);
    });
  }

  it('for one buffer only: the other frame stays in the frame buffer until it is released', async () => {
    const reader = await windowHost({}, { text: withoutMemory(1) });
    const { guest, channel, captures } = reader;
    const kinds = new Set<boolean>();
    let last: number | undefined;
    for (let count = 0; count < 20; count++) {
      const [size = 0, , , number] = await until('a frame', async () => {
        const shape = await guest.shape(channel);
        return shape[0] ? shape : undefined;
      });
      if (last !== undefined) expect(number).toBe(last + 1);
      last = number;
      kinds.add((await reader.window(0, HEADER)) !== undefined);
      expect(captures.has(checksum(await guest.read(channel, 0, size)))).toBe(true);
    }
    expect(kinds).toEqual(new Set([true, false]));
  });

  it('for compressing is made by using one frame buffer of the sensor', async () => {
    const compressing = [
      'import csi, image',
      '_compress = image.Image.compress',
      'def compress(self, **options):',
      '    if csi.CSI().framebuffers() > 1:',
      '        raise MemoryError("memory allocation failed")',
      '    return _compress(self, **options)',
      'image.Image.compress = compress',
    ].join('\n');
    const reader = await windowHost({}, { text: scriptWith({ MAX_WAIT_MS: 'None' }, compressing) });
    const heads = await take(reader, 5);
    expect(heads.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
  });

  it('for larger frames it is allocated again', async () => {
    const reader = await windowHost();
    const [small] = await take(reader, 3);
    const control = await reader.guest.channel('control');
    await reader.guest.write(
      control,
      0,
      new TextEncoder().encode('{"id": 3, "set": {"framesize": "VGA"}}\n'),
    );
    await until('the reply', async () => (await reader.guest.shape(control))[1] === 3);
    const large = await until('a large frame', async () => {
      const [head] = await take(reader, 1);
      return head!.width === 640 ? head : undefined;
    });
    expect(large.size).toBeGreaterThan(small!.size * 2);
    await take(reader, 5);
  });
});
