import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { CameraEnd } from '../../../src/virtual/device/camera-end.js';
import { StdinChannel } from '../../../src/virtual/device/stdin-channel.js';
import { StdoutChannel } from '../../../src/virtual/device/stdout-channel.js';
import { HostEnd } from '../../../src/virtual/line/host-end.js';
import { createLineMemory, type LineMemory, Word } from '../../../src/virtual/line/line-memory.js';
import { findPictures } from '../../../src/virtual/pictures/picture-files.js';
import { PictureShelf } from '../../../src/virtual/pictures/picture-shelf.js';
import { ByteCache } from '../../../src/virtual/pictures/picture-source.js';
import { loopLength, type PictureSpec } from '../../../src/virtual/pictures/picture-spec.js';
import { drawScene } from '../../../src/virtual/pictures/scene.js';
import { mulberry32 } from '../../../src/virtual/prng.js';
import { STAMP_SIZE, stampJpeg } from '../../../src/virtual/sensor/capture-stamp.js';
import { FrameClock } from '../../../src/virtual/sensor/frame-clock.js';

const NONE = new Uint8Array(0);
const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);

describe('mulberry32', () => {
  it('gives its known sequence', () => {
    const random = mulberry32(1);
    // Reference values of the published algorithm for seed 1.
    expect([random(), random()].map((value) => Math.floor(value * 2 ** 32))).toEqual([2693262067, 11749833]);
  });
});

describe('the shared line', () => {
  function line(): { memory: LineMemory; host: HostEnd; camera: CameraEnd; wakes: () => number } {
    const memory = createLineMemory();
    let wakes = 0;
    const camera = new CameraEnd(memory, () => wakes++);
    return { memory, host: new HostEnd(memory), camera, wakes: () => wakes };
  }

  const readAll = (host: HostEnd): Buffer => {
    const got: Buffer[] = [];
    host.read(host.awake(), (bytes) => got.push(Buffer.from(bytes)) > 0);
    return Buffer.concat(got);
  };

  it('carries bytes both ways, across the end of its rings and of its counters', () => {
    const { memory, host, camera } = line();
    const control = new Int32Array(memory.control);
    for (const word of [
      Word.TO_CAMERA_READ,
      Word.TO_CAMERA_WRITTEN,
      Word.TO_HOST_READ,
      Word.TO_HOST_WRITTEN,
    ]) {
      control[word] = -50_000;
    }
    control[Word.TO_CAMERA_MARK] = -50_000;
    host.setHost(true);
    expect(camera.acceptHost()).toBe(true);
    const random = mulberry32(9);
    const sent: Buffer[] = [];
    const got: Buffer[] = [];
    for (let round = 0; round < 200; round++) {
      const bytes = Buffer.from(Array.from({ length: Math.floor(random() * 9000) }, () => random() * 256));
      sent.push(bytes);
      host.write(bytes);
      for (let part = camera.read(); part; part = camera.read()) camera.write(part);
      camera.flush();
      got.push(readAll(host));
    }
    expect(Buffer.concat(got).equals(Buffer.concat(sent))).toBe(true);
  });

  it('wakes the reader once for all that was written before it looked', () => {
    const { host, camera, wakes } = line();
    host.setHost(true);
    camera.acceptHost();
    for (let count = 0; count < 5; count++) {
      camera.write(Uint8Array.of(count));
      camera.flush();
    }
    expect(wakes()).toBe(1);
    expect([...readAll(host)]).toEqual([0, 1, 2, 3, 4]);
    camera.write(Uint8Array.of(5));
    camera.flush();
    expect(wakes()).toBe(2);
  });

  it('drops what one host left for the next, in both directions', () => {
    const { host, camera } = line();
    host.setHost(true);
    camera.acceptHost();
    host.write(Uint8Array.of(1));
    camera.write(Uint8Array.of(2));
    host.setHost(false);
    host.setHost(true);
    camera.write(Uint8Array.of(3));
    expect(readAll(host)).toHaveLength(0);
    host.write(Uint8Array.of(4));
    expect(camera.acceptHost()).toBe(true);
    expect([...camera.read()!]).toEqual([4]);
    camera.write(Uint8Array.of(5));
    expect([...readAll(host)]).toEqual([5]);
  });

  it('keeps what does not fit until there is room, up to a bound', async () => {
    const { host, camera } = line();
    host.setHost(true);
    camera.acceptHost();
    const bytes = Buffer.alloc(300_000, 7);
    host.write(bytes);
    host.write(Buffer.alloc(2_000_000));
    expect(host.overflowed).toBe(2_000_000);
    let got = 0;
    await expect
      .poll(() => {
        for (let part = camera.read(); part; part = camera.read()) got += part.length;
        return got;
      })
      .toBe(bytes.length);
    host.close();
  });
});

describe('stdout', () => {
  it('reminds of unread text every 50 ms, and tells at once when it is half full', () => {
    let notified = 0;
    const stdout = new StdoutChannel(NONE, () => notified++);
    stdout.print('hello\n', 1000);
    stdout.tick(1000);
    stdout.tick(1040);
    expect(notified).toBe(1);
    stdout.tick(1051);
    expect(notified).toBe(2);
    expect(text(stdout.read(0, 1024))).toBe('hello\r\n');
    stdout.tick(2000);
    expect(notified).toBe(2);
    stdout.print('x'.repeat(600), 2001);
    expect(notified).toBe(3);
    stdout.print('y'.repeat(100), 2002);
    expect(notified).toBe(3);
  });

  it('text that does not fit pushes out all before it', () => {
    const stdout = new StdoutChannel(NONE, () => {});
    stdout.print(`${'a'.repeat(200)}\n`, 0);
    for (let line = 0; line < 9; line++) stdout.print(`${String(line).repeat(98)}\n`, 0);
    expect(stdout.size()).toBe(100);
    expect(text(stdout.read(0, 2000))).toBe(`${'8'.repeat(98)}\r\n`);
  });

  it('keeps the end of a string that is longer than the ring, until its line end pushes that out', () => {
    const stdout = new StdoutChannel(NONE, () => {});
    stdout.print(`${'a'.repeat(1_000)}${'b'.repeat(1_000)}`, 0);
    expect(text(stdout.read(0, 2_000))).toBe(`${'a'.repeat(23)}${'b'.repeat(1_000)}`);
    stdout.print(`${'c'.repeat(2_000)}\nnext\n`, 0);
    expect(text(stdout.read(0, 2_000))).toBe('\r\nnext\r\n');
  });

  it('keeps text over a restart', () => {
    const before = new StdoutChannel(NONE, () => {});
    before.print('last words\n', 0);
    const after = new StdoutChannel(before.unread(), () => {});
    expect(text(after.read(0, 5))).toBe('last ');
    expect(after.size()).toBe(7);
  });
});

describe('stdin', () => {
  it('appends pieces whatever their offset, starts again at 0', () => {
    const stdin = new StdinChannel(() => {});
    stdin.write(0, Buffer.from('old'));
    stdin.write(0, Buffer.from('pri'));
    stdin.write(1, Buffer.from('nt(1)'));
    expect(stdin.script()).toBe('print(1)');
    expect(stdin.write(8, new Uint8Array(2 * 1024 * 1024))).toBe(0);
    stdin.ioctl(3);
    expect(stdin.script()).toBeUndefined();
    expect([stdin.ioctl(2), stdin.ioctl(9)]).toEqual([-1, -1]);
    expect([...stdin.ioctls]).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
    ]);
  });
});

describe("the sensor's clock", () => {
  it('one frame buffer: the next frame is one that begins after the question', () => {
    const clock = new FrameClock();
    expect(clock.due(1000, 10, 1)).toBe(1000);
    clock.take(1000);
    // Between two frames: the next has not begun.
    expect(clock.due(1001, 10, 1)).toBe(1100);
    expect(clock.take(1100)).toBe(1010);
    expect(clock.due(1350, 10, 1)).toBe(1500);
  });

  it('two frame buffers: the next frame is one that ends after the question', () => {
    const clock = new FrameClock();
    clock.due(1000, 10, 2);
    clock.take(1000);
    expect(clock.due(1001, 10, 2)).toBe(1100);
    expect(clock.due(1350, 10, 2)).toBe(1400);
    expect(clock.take(1400)).toBe(1310);
  });

  it('three frame buffers: the latest frame is there', () => {
    const clock = new FrameClock();
    clock.due(1000, 10, 3);
    clock.take(1000);
    expect(clock.due(1350, 10, 3)).toBe(1100);
    expect(clock.take(1350)).toBe(1210);
    expect(clock.due(1351, 10, 3)).toBe(1400);
  });

  it('after the frame buffers were emptied the next frame is one that begins then', () => {
    const clock = new FrameClock();
    clock.due(1000, 10, 3);
    clock.take(1000);
    clock.flush();
    expect(clock.due(1350, 10, 3)).toBe(1500);
    clock.take(1500);
    expect(clock.due(1750, 10, 3)).toBe(1600);
  });

  it('without a rate every frame is there at once', () => {
    const clock = new FrameClock();
    for (const now of [5, 6, 6]) {
      expect(clock.due(now, Number.POSITIVE_INFINITY, 1)).toBe(now);
      clock.take(now);
    }
  });
});

describe('captures', () => {
  it('of the same picture differ by their stamp, and decode to the same pixels', async () => {
    const jpeg = await sharp({ create: { width: 16, height: 16, channels: 3, background: 'red' } })
      .jpeg()
      .toBuffer();
    const stamped = [1, 2].map((capture) => {
      const target = new Uint8Array(jpeg.length + STAMP_SIZE);
      expect(stampJpeg(target, jpeg, capture, 1_700_000_000_000)).toBe(target.length);
      return target;
    });
    expect(text(stamped[1])).toContain('capture 0000000002, time 1700000000000');
    expect(stamped[0]).not.toEqual(stamped[1]);
    const [first, second] = await Promise.all(stamped.map((bytes) => sharp(bytes).raw().toBuffer()));
    expect(first!.equals(second!)).toBe(true);
  });
});

describe('the picture shelf', () => {
  const spec = { width: 8, height: 8, quality: 80 } as unknown as PictureSpec;

  it('asks for a picture and some ahead, once each', () => {
    const asked: number[] = [];
    const shelf = new PictureShelf((_id, _spec, index) => asked.push(index));
    expect(shelf.take(spec, 0, 48)).toBeUndefined();
    expect(shelf.take(spec, 0, 48)).toBeUndefined();
    expect(asked).toEqual([0, 1, 2, 3, 4]);
    shelf.put(0, Uint8Array.of(9));
    expect([...shelf.take(spec, 0, 48)!]).toEqual([9]);
    shelf.take(spec, 1, 48);
    expect(asked).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('forgets pictures of other settings, those under way as well', () => {
    const shelf = new PictureShelf(() => {});
    shelf.take(spec, 0, 2);
    const other = { ...spec, quality: 10 };
    expect(shelf.take(other, 0, 2)).toBeUndefined();
    shelf.put(0, Uint8Array.of(1));
    expect(shelf.take(other, 0, 2)).toBeUndefined();
    shelf.put(2, Uint8Array.of(2));
    expect([...shelf.take(other, 0, 2)!]).toEqual([2]);
  });

  it('keeps no more than its bound, and asks again for what it gave up', () => {
    const asked = new Map<number, number>();
    const shelf = new PictureShelf((id, _spec, index) => asked.set(index, id));
    const large = new Uint8Array(30 * 1024 * 1024);
    shelf.take(spec, 0, 3);
    for (const index of [0, 1, 2]) shelf.put(asked.get(index)!, large);
    asked.clear();
    expect(shelf.take(spec, 2, 3)).toBeDefined();
    expect([...asked.keys()]).toEqual([0]);
  });

  it('tells why there is no picture', () => {
    const shelf = new PictureShelf(() => {});
    shelf.take(spec, 0, 1);
    shelf.fail(0, 'no paint');
    expect(shelf.failure).toBe('no paint');
  });
});

describe('the cache', () => {
  it('drops what was not asked for longest', () => {
    const cache = new ByteCache(10);
    for (const name of ['a', 'b']) cache.set(name, new Uint8Array(5));
    cache.get('a');
    cache.set('c', new Uint8Array(5));
    expect(['a', 'b', 'c'].map((name) => cache.get(name)?.length)).toEqual([5, undefined, 5]);
    cache.set('large', new Uint8Array(11));
    expect(cache.get('large')).toBeUndefined();
  });
});

describe('the test scene', () => {
  it('is another picture at each place of the loop', () => {
    const count = loopLength(320, 240);
    const scenes = new Set(Array.from({ length: count }, (_, index) => drawScene(320, 240, index, count)));
    expect(scenes.size).toBe(count);
    expect(loopLength(2592, 1944)).toBeLessThan(count);
  });
});

describe('a directory of pictures', () => {
  it('is taken in the order of names, without what is no picture', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pictures-'));
    try {
      const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } })
        .png()
        .toBuffer();
      for (const name of ['10.png', '9.PNG', 'b.png', 'notes.txt']) writeFileSync(join(directory, name), png);
      const found = await findPictures(directory);
      expect(found.map((path) => path.slice(directory.length + 1))).toEqual(['9.PNG', '10.png', 'b.png']);
      writeFileSync(join(directory, '1.jpg'), 'no picture');
      await expect(findPictures(directory)).rejects.toMatchObject({ code: 'FILE_FAILED' });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('must have some', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'pictures-'));
    await expect(findPictures(directory)).rejects.toMatchObject({ code: 'FILE_FAILED' });
    rmSync(directory, { recursive: true });
  });
});
