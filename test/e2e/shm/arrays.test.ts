import { readFileSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { ArrayData, DType } from '../../../src/shm/arrays/array-layout.js';
import { openArrayReader } from '../../../src/shm/arrays/array-reader.js';
import { openArrayWriter } from '../../../src/shm/arrays/array-writer.js';
import { openShm } from '../../../src/shm/open-shm.js';
import {
  Child,
  closing,
  compileReader,
  fixture,
  leftovers,
  pathOf,
  startNode,
  uniqueName,
} from './support.js';

const base = (): string => uniqueName().slice(1);
const hex = (data: ArrayData): string =>
  Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex');

const ARRAYS: readonly [DType, ArrayData, readonly number[]][] = [
  ['uint8', Uint8Array.of(0, 1, 127, 128, 254, 255), [2, 3]],
  ['int8', Int8Array.of(-128, -1, 0, 127), [4]],
  ['uint16', Uint16Array.of(0, 65535, 258, 7, 9, 1, 2, 3), [2, 2, 2]],
  ['int16', Int16Array.of(-32768, 32767), [1, 2]],
  ['int32', Int32Array.of(-2147483648, 2147483647, 5, 6), [1, 2, 1, 2]],
  ['float32', Float32Array.of(0.5, -1.25, 3e38, Number.NaN), [1, 1, 2, 1, 2]],
  ['float64', Float64Array.of(Math.PI, -0, Number.POSITIVE_INFINITY), [3, 1]],
  ['bool', Uint8Array.of(1, 0, 1), [3]],
];

/** The public package's behaviour, in a process of its own. */
class Peer extends Child {
  constructor(name: string) {
    super('python3', [fixture('posixipc.py'), name]);
  }

  async ask<T>(request: object): Promise<T> {
    this.say(JSON.stringify(request));
    return this.json<T>();
  }

  static async start(name: string): Promise<Peer> {
    const peer = new Peer(name);
    expect(await peer.json()).toBe('up');
    return peer;
  }
}

interface PeerArray {
  readonly dtype: string;
  readonly shape: number[];
  readonly timestamp: number;
  readonly data: string;
}

test.each(ARRAYS)('%s: from writer to reader, to and from the public package', async (dtype, data, shape) => {
  const name = base();
  const writer = closing(openArrayWriter({ base: name }));
  const reader = closing(openArrayReader(name));
  await writer.setArray('any', data, { dtype, shape, timestampMs: 1_234_567.5 });
  const read = await reader.getArray('any');
  expect(read).toMatchObject({ dtype, shape, timestampMs: 1_234_567.5, sequence: 1 });
  expect(hex(read!.data)).toBe(hex(data));
  expect(read!.data.constructor).toBe(data.constructor);
  expect([reader.getShape('any'), reader.getDtype('any'), reader.getNdim('any')]).toEqual([
    shape,
    dtype,
    shape.length,
  ]);

  const peer = await Peer.start(name);
  expect(await peer.ask<PeerArray>({ do: 'read', channel: 'any' })).toEqual({
    dtype,
    shape,
    timestamp: 1_234.5675,
    data: hex(data),
  });
  const request = { do: 'write', channel: 'theirs', dtype, shape, data: hex(data), timestamp: 99.5 };
  expect(await peer.ask(request)).toBe(true);
  const theirs = await reader.getArray('theirs');
  expect(theirs).toMatchObject({ dtype, shape, timestampMs: 99_500, sequence: 0 });
  expect(hex(theirs!.data)).toBe(hex(data));
  await peer.ask({ do: 'cleanup' });
});

test('the named channels, and the header to the byte', async () => {
  const name = base();
  const writer = closing(openArrayWriter({ base: name, mode: 0o640 }));
  const reader = closing(openArrayReader(name));
  expect(await reader.waitForArray('image', 20)).toBe(false);
  expect([await reader.getImage(), reader.getShape('image')]).toEqual([undefined, undefined]);
  const waiting = reader.waitForArray('image');
  await writer.setImage(new Uint8Array(24).fill(9), { shape: [2, 4, 3], timestampMs: 2_500 });
  await writer.setDepth(Float32Array.of(1, 2), { shape: [1, 2] });
  await writer.setPointcloud(Float64Array.of(1, 2, 3), { shape: [1, 3] });
  await writer.setMask(Buffer.of(1, 0), { dtype: 'bool' });
  await writer.setArray('bytes', Buffer.of(5));
  expect((await reader.getArray('bytes'))?.dtype).toBe('uint8');
  expect(await waiting).toBe(true);
  expect((await reader.getImage())?.shape).toEqual([2, 4, 3]);
  expect((await reader.getDepth())?.data).toEqual(Float32Array.of(1, 2));
  expect((await reader.getPointcloud())?.dtype).toBe('float64');
  expect((await reader.getMask())?.dtype).toBe('bool');

  const file = readFileSync(pathOf(`/${name}_image_shm`));
  const words = Array.from({ length: 8 }, (_, index) => file.readUInt32LE(4 * index));
  expect(words).toEqual([0x12345678, 0, 3, 2, 4, 3, 0, 0]);
  expect(file.readDoubleLE(32)).toBe(2.5);
  expect([file.readUInt32LE(40), file.readUInt32LE(44)]).toEqual([0x42564d4f, process.pid]);
  expect([...file.subarray(64, 88)]).toEqual(new Array(24).fill(9));
  // The trailer: magic, write sequence, wake word, count.
  expect([88, 92, 96, 100].map((offset) => file.readUInt32LE(offset))).toEqual([0x54564d4f, 2, 1, 1]);
  expect(file.length).toBe(104);
  expect(statSync(pathOf(`/${name}_image_shm`)).mode & 0o777).toBe(0o640);
  expect(statSync(pathOf(`/sem.${name}_image_sem`)).mode & 0o777).toBe(0o640);
});

test('another shape makes a new segment, and readers that hold the old one are not harmed', async () => {
  const name = base();
  const writer = closing(openArrayWriter({ base: name }));
  const reader = closing(openArrayReader(name));
  const peer = await Peer.start(name);
  await writer.setImage(new Uint8Array(6).fill(1), { shape: [2, 3] });
  expect((await reader.getImage())?.shape).toEqual([2, 3]);
  expect((await peer.ask<PeerArray>({ do: 'read', channel: 'image' })).data).toBe('01'.repeat(6));
  await writer.setImage(new Uint8Array(8).fill(2), { shape: [4, 2] });
  // It goes on seeing what it has mapped.
  expect((await peer.ask<PeerArray>({ do: 'read', channel: 'image' })).data).toBe('01'.repeat(6));
  expect(await reader.getImage()).toMatchObject({ shape: [4, 2], data: new Uint8Array(8).fill(2) });
  await peer.ask({ do: 'forget', channel: 'image' });
  expect((await peer.ask<PeerArray>({ do: 'read', channel: 'image' })).shape).toEqual([4, 2]);
});

describe("the public package's semaphore", () => {
  test('a peer that died while it held the lock blocks the writer for a second once, then never again', async () => {
    const name = base();
    const writer = closing(openArrayWriter({ base: name }));
    const reader = closing(openArrayReader(name));
    await writer.setImage(Uint8Array.of(1));
    const peer = await Peer.start(name);
    expect(await peer.ask({ do: 'take', channel: 'image' })).toBe(true);
    await peer.kill();
    await writer.setImage(Uint8Array.of(2));
    expect((await reader.getImage())?.data).toEqual(Uint8Array.of(2));
    const second = await Peer.start(name);
    expect(await second.ask({ do: 'value', channel: 'image' })).toBe(1);
  });

  test('a count raised above one is brought back to one by our writer and by our reader', async () => {
    const name = base();
    const writer = closing(openArrayWriter({ base: name }));
    const reader = closing(openArrayReader(name));
    await writer.setImage(Uint8Array.of(1));
    const peer = await Peer.start(name);
    for (let i = 0; i < 3; i++) await peer.ask({ do: 'post', channel: 'image' });
    expect(await peer.ask({ do: 'value', channel: 'image' })).toBe(4);
    await writer.setImage(Uint8Array.of(7));
    expect(await peer.ask({ do: 'value', channel: 'image' })).toBe(1);

    await peer.ask({ do: 'write', channel: 'own', dtype: 'uint8', shape: [1], data: '05', timestamp: 1 });
    await peer.ask({ do: 'post', channel: 'own' });
    expect((await reader.getArray('own'))?.data).toEqual(Uint8Array.of(5));
    // Taken while the count was two: another process could have been writing.
    expect(reader.torn).toBe(1);
    expect(await peer.ask({ do: 'value', channel: 'own' })).toBe(1);
    await peer.ask({ do: 'cleanup' });
  });

  test('ours is what sem_open makes, byte for byte', async () => {
    const name = base();
    const writer = closing(openArrayWriter({ base: name }));
    await writer.setImage(Uint8Array.of(1));
    const peer = await Peer.start(name);
    await peer.ask({ do: 'write', channel: 'own', dtype: 'uint8', shape: [1], data: '05', timestamp: 1 });
    const semaphore = (channel: string): Buffer => readFileSync(pathOf(`/sem.${name}_${channel}_sem`));
    expect(semaphore('image').equals(semaphore('own'))).toBe(true);
    await peer.ask({ do: 'cleanup' });
  });

  test('our arrays are never torn, whatever others post', { timeout: 60_000 }, async () => {
    const name = base();
    const last = 20_000;
    const flood = startNode('arrays_flood.mjs', name, '300000', String(last));
    expect(await flood.json()).toBe('ready');
    const python = new Child('python3', ['-B', fixture('arrays_check.py'), `/${name}_image`, String(last)]);
    expect(await python.json()).toBe('open');
    const spoiler = await Peer.start(name);
    const reader = closing(openArrayReader(name));
    flood.say('go');
    const finished = flood.json();
    let running = true;
    finished.finally(() => {
      running = false;
    });
    let whole = 0;
    for (let round = 0; running; round++) {
      if (round % 10 === 0) await spoiler.ask({ do: 'post', channel: 'image' });
      const found = await reader.getImage();
      if (found === undefined || found.sequence === 1) continue;
      expect((found.data as Uint8Array).every((byte) => byte === found.sequence % 251)).toBe(true);
      whole++;
    }
    expect(await finished).toBe('done');
    expect(whole).toBeGreaterThan(5);
    expect(reader.torn).toBe(0);
    expect(await python.json()).toMatchObject({ torn: 0 });
    flood.say('end');
    await flood.exited;
  });

  // Of a writer that the machine halts in the middle of a copy nothing tells while the count is raised (README): one in a
  // hundred is what a busy machine makes of it, and none of the rest is torn.
  test('no torn array is taken from a public writer that is not halted while others raise the count', async () => {
    const name = base();
    const size = 300_000;
    const peer = await Peer.start(name);
    peer.say(JSON.stringify({ do: 'hammer', channel: 'image', size, count: 1_000 }));
    expect(await peer.json()).toBe('ready');
    const spoiler = await Peer.start(name);
    const reader = closing(openArrayReader(name));
    let whole = 0;
    let torn = 0;
    let finished = false;
    const done = peer.json().then(() => {
      finished = true;
    });
    for (let round = 0; !finished; round++) {
      if (round % 10 === 0) await spoiler.ask({ do: 'post', channel: 'image' });
      const found = await reader.getImage();
      if (found === undefined) continue;
      const value = Math.round(found.timestampMs / 1_000) % 251;
      if ((found.data as Uint8Array).every((byte) => byte === value)) whole++;
      else torn++;
    }
    await done;
    await peer.ask({ do: 'cleanup' });
    expect(whole).toBeGreaterThan(5);
    expect(torn).toBeLessThanOrEqual(Math.ceil(whole / 100));
  });
});

test('a live writer is refused, a dead one is taken over', async () => {
  const name = base();
  const child = startNode('arrays.mjs', name);
  const { pid } = await child.json<{ pid: number }>();
  const writer = closing(openArrayWriter({ base: name }));
  await expect(writer.setImage(Uint8Array.of(1))).rejects.toMatchObject({
    code: 'SHM_IN_USE',
    context: { pid },
  });
  const old = closing(openArrayReader(name));
  expect((await old.getImage())?.data).toEqual(Uint8Array.of(1, 2, 3, 4));
  await child.kill();
  expect((await old.getImage())?.data).toEqual(Uint8Array.of(1, 2, 3, 4));
  await writer.setImage(Uint8Array.of(9));
  expect((await old.getImage())?.data).toEqual(Uint8Array.of(9));
});

test.each(['python', 'c++'])('a %s reader reads arrays of the public package', async (language) => {
  const name = base();
  const program = language === 'python' ? undefined : compileReader('public_array.cpp');
  const peer = await Peer.start(name);
  const write = (data: string, timestamp: number) =>
    peer.ask({ do: 'write', channel: 'depth', dtype: 'int16', shape: [1, 2], data, timestamp });
  await write('01000200', 1.5);
  const path = `/${name}_depth`;
  const reader = program
    ? new Child(program, [path])
    : new Child('python3', ['-B', fixture('public_array.py'), path]);
  expect(await reader.json()).toBe('open');
  const next = async () => {
    reader.say('');
    return reader.json();
  };
  const form = { format: 'int16', shape: [1, 2] };
  expect(await next()).toEqual({ ...form, data: '01000200', time: 1_500_000_000 });
  const waiting = next();
  await write('03000400', 2.25);
  expect(await waiting).toEqual({ ...form, data: '03000400', time: 2_250_000_000 });
  // A count that was raised is mended, and nothing is taken meanwhile.
  for (let i = 0; i < 3; i++) await peer.ask({ do: 'post', channel: 'depth' });
  await write('05000600', 3);
  expect(await next()).toEqual({ ...form, data: '05000600', time: 3_000_000_000 });
  expect(await peer.ask({ do: 'value', channel: 'depth' })).toBe(1);
  await peer.ask({ do: 'cleanup' });
  await reader.kill();
});

test('what a killed writer of the public package left is taken over; what lives, or may, is not', async () => {
  const name = base();
  const writer = closing(openArrayWriter(name));
  const forced = closing(openArrayWriter({ base: name, takeOver: true }));
  const now = (): number => Date.now() / 1_000;
  const write = (peer: Peer, channel: string, timestamp: number) =>
    peer.ask({ do: 'write', channel, dtype: 'uint8', shape: [1], data: '05', timestamp });
  const inUse = { code: 'SHM_IN_USE' };

  const peer = await Peer.start(name);
  await write(peer, 'fresh', now());
  await write(peer, 'old', now() - 2);
  await write(peer, 'held', now() - 2);
  await write(peer, 'timeless', 0);
  expect(await peer.ask({ do: 'take', channel: 'held' })).toBe(true);
  await peer.kill();
  const reader = closing(openArrayReader(name));
  expect((await reader.getArray('old'))?.data).toEqual(Uint8Array.of(5));
  for (const channel of ['held', 'timeless']) {
    await expect(writer.setArray(channel, Uint8Array.of(6))).rejects.toMatchObject(inUse);
    await forced.setArray(channel, Uint8Array.of(7));
    expect((await reader.getArray(channel))?.data).toEqual(Uint8Array.of(7));
  }
  await writer.setArray('old', Uint8Array.of(8), { sequence: 4 });
  expect(await reader.getArray('old')).toMatchObject({ data: Uint8Array.of(8), sequence: 4 });
  const second = await Peer.start(name);
  expect((await second.ask<PeerArray>({ do: 'read', channel: 'old' })).data).toBe('08');
  // A second after its last array it counts as left behind, not before.
  await write(second, 'living', now());
  await expect(writer.setArray('living', Uint8Array.of(1))).rejects.toMatchObject(inUse);
  await expect.poll(() => writer.setArray('fresh', Uint8Array.of(9)).then(() => 'taken')).toBe('taken');
  await second.ask({ do: 'cleanup' });
});

test('a timestamp of 0 is one, and one that tells no time is read as none', async () => {
  const name = base();
  const writer = closing(openArrayWriter({ base: name }));
  await writer.setImage(Uint8Array.of(1), { timestampMs: 0 });
  const shm = closing(openShm(`/${name}_image_shm`));
  expect(shm.latest()).toMatchObject({ timestampNs: 0n, sequence: 1 });
  expect(shm.state().status).toBe('live');

  const peer = await Peer.start(name);
  for (const timestamp of ['nan', 'inf', '-1']) {
    await peer.ask({ do: 'write', channel: 'theirs', dtype: 'uint8', shape: [1], data: '05', timestamp });
    const theirs = closing(openShm(`/${name}_theirs_shm`));
    expect(theirs.latest()).toMatchObject({ timestampNs: 0n, data: Uint8Array.of(5) });
    expect(theirs.state()).toMatchObject({ status: 'live', frameAgeMs: undefined });
    const frames = theirs.frames({ follow: false });
    expect((await frames.next()).value).toMatchObject({ timestampNs: 0n });
    await frames.return();
  }
  await peer.ask({ do: 'cleanup' });
});

test('process.exit() leaves neither segment nor semaphore behind', async () => {
  const child = startNode('arrays.mjs', base(), 'exit');
  await child.json();
  expect(await child.exited).toBe(0);
  expect(leftovers()).toEqual([]);
});

test('a closed reader opens nothing any more', async () => {
  const name = base();
  const writer = closing(openArrayWriter({ base: name }));
  await writer.setImage(Uint8Array.of(1));
  const reader = openArrayReader(name);
  expect((await reader.getImage())?.data).toEqual(Uint8Array.of(1));
  reader.close();
  reader.close();
  await expect(reader.getImage()).rejects.toMatchObject({ code: 'SHM_FAILED' });
  await expect(reader.waitForArray('image')).rejects.toMatchObject({ code: 'SHM_FAILED' });
});

test('openShm follows an array over a change of shape', async () => {
  const name = base();
  const writer = closing(openArrayWriter({ base: name }));
  await writer.setImage(new Uint8Array(12), { shape: [2, 2, 3] });
  const shm = closing(openShm(`/${name}_image_shm`));
  const frames = shm.frames();
  expect((await frames.next()).value).toMatchObject({ shape: [2, 2, 3], width: 2, height: 2, sequence: 1 });
  const next = frames.next();
  await writer.setImage(new Uint8Array(6).fill(3), { shape: [2, 3] });
  expect((await next).value).toMatchObject({ shape: [2, 3], width: 3, data: new Uint8Array(6).fill(3) });
  await frames.return();
});

test('what cannot be an array is refused before anything is made', async () => {
  const name = base();
  const writer = closing(openArrayWriter({ base: name }));
  const refused = (promise: Promise<void>) =>
    expect(promise).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  await refused(writer.setImage(new Uint8Array(5), { shape: [2, 3] }));
  await refused(writer.setImage(new Uint8Array(1), { shape: [1, 1, 1, 1, 1, 1] }));
  await refused(writer.setImage(new Uint8Array(0), { shape: [0] }));
  await refused(writer.setImage(new Uint8Array(2), { dtype: 'complex' as DType }));
  await refused(writer.setArray('a/b', new Uint8Array(2)));
  for (const timestampMs of [Number.NaN, -1, Number.POSITIVE_INFINITY])
    await refused(writer.setImage(new Uint8Array(1), { timestampMs }));
  writer.close();
  await expect(writer.setImage(new Uint8Array(1))).rejects.toMatchObject({ code: 'SHM_FAILED' });
  expect(leftovers()).toEqual([]);
});
