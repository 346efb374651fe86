import { readFileSync, statSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FrameStore } from '../../../src/shm/store.js';
import { openViznReader } from '../../../src/shm/vizn/vizn-reader.js';
import { openViznWriter, type ViznFrame, type ViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { expectFailure, leftovers, pathOf, uniqueName } from '../../e2e/shm/support.js';

const SIZE = 4096;
let name: string;
let writer: ViznWriter;

beforeEach(() => {
  name = uniqueName();
  writer = openViznWriter({ name, size: SIZE });
});

afterEach(() => writer.close());

function frame(sequence: number, jpeg = new Uint8Array(500).fill(sequence)): ViznFrame {
  return { jpeg, width: 320, height: 240, timestampMs: Date.now(), sequence };
}

describe('writing', () => {
  test('a frame is read back as it was written, and the copy stays as it is', () => {
    const reader = openViznReader(name);
    expect(reader.latest()).toBeUndefined();
    writer.write({ jpeg: Uint8Array.of(1, 2, 3), width: 320, height: 240, timestampNs: 5n, sequence: 7 });
    const first = reader.latest();
    writer.write(frame(8));
    expect(first).toEqual({
      data: Uint8Array.of(1, 2, 3),
      jpeg: Uint8Array.of(1, 2, 3),
      width: 320,
      height: 240,
      format: 'MJPG',
      timestampNs: 5n,
      sequence: 7,
      missed: 0,
    });
    expect(reader.latest()?.sequence).toBe(8);
    expect(reader.latest(7)?.sequence).toBe(8);
    expect(reader.latest(8)).toBeUndefined();
    reader.close();
  });

  test('a frame that does not fit is refused with both sizes, and the one before stays', () => {
    writer.write(frame(1));
    const before = readFileSync(pathOf(name));
    const error = expectFailure('SHM_TOO_SMALL', () => writer.write(frame(2, new Uint8Array(SIZE - 127))));
    expect(error.message).toContain('4097');
    expect(error.message).toContain('4096');
    expect(readFileSync(pathOf(name)).equals(before)).toBe(true);
    writer.write(frame(2, new Uint8Array(SIZE - 128).fill(2)));
    expect(
      readFileSync(pathOf(name))
        .subarray(128)
        .every((byte) => byte === 2),
    ).toBe(true);
  });

  test('impossible values are refused and change nothing', () => {
    writer.write(frame(1));
    const before = readFileSync(pathOf(name));
    const good = { jpeg: Uint8Array.of(1), width: 1, height: 1, timestampMs: 1, sequence: 1 };
    const bad: ViznFrame[] = [
      { ...good, jpeg: new Uint8Array(0) },
      { ...good, jpeg: 'text' as unknown as Uint8Array },
      { ...good, width: -1 },
      { ...good, width: 1.5 },
      { ...good, height: 2 ** 32 },
      { ...good, sequence: 0 },
      { ...good, sequence: Number.NaN },
      { ...good, timestampMs: Number.NaN },
      { ...good, timestampMs: -1 },
      { ...good, timestampMs: Number.POSITIVE_INFINITY },
      { ...good, timestampMs: 1e14 },
      { jpeg: good.jpeg, width: 1, height: 1, sequence: 1, timestampNs: -1n },
      { jpeg: good.jpeg, width: 1, height: 1, sequence: 1, timestampNs: 1n << 64n },
    ];
    for (const one of bad) expectFailure('OPTION_INVALID', () => writer.write(one));
    expect(readFileSync(pathOf(name)).equals(before)).toBe(true);
  });

  test('close removes the segment, once, and writing afterwards is an error', () => {
    writer.close();
    expect(leftovers()).not.toContain(name.slice(1));
    writer.close();
    expectFailure('SHM_FAILED', () => writer.write(frame(1)));
  });

  test('close leaves a file alone that somebody else put in its place', () => {
    unlinkSync(pathOf(name));
    writeFileSync(pathOf(name), 'precious');
    writer.close();
    expect(readFileSync(pathOf(name), 'utf8')).toBe('precious');
    unlinkSync(pathOf(name));
  });

  test('it is a frame store', () => {
    const store: FrameStore = writer;
    store.write({ jpeg: Uint8Array.of(9), width: 1, height: 1, timestampMs: 1, sequence: 1 });
    expect(store.name).toBe(name);
  });
});

describe('options', () => {
  test('the mode is as asked, whatever the umask; 0600 by default', () => {
    expect(statSync(pathOf(name)).mode & 0o777).toBe(0o600);
    const other = uniqueName();
    const umask = process.umask(0o077);
    try {
      const open = openViznWriter({ name: other, size: SIZE, mode: 0o664 });
      expect(statSync(pathOf(other)).mode & 0o777).toBe(0o664);
      open.close();
    } finally {
      process.umask(umask);
    }
  });

  test('the slash may be left out', () => {
    const other = uniqueName();
    const open = openViznWriter({ name: other.slice(1), size: SIZE });
    expect(open.name).toBe(other);
    expect(openViznReader(other.slice(1)).name).toBe(other);
    open.close();
  });

  test('the segment is all there: allocated, not only declared', () => {
    const other = uniqueName();
    const open = openViznWriter({ name: other, size: 1_000_000 });
    expect(open.size).toBe(1_000_000);
    expect(statSync(pathOf(other)).blocks * 512).toBeGreaterThanOrEqual(1_000_000);
    open.close();
  });

  test.each([['', '/', '.', '/..', 'a/b', '//a', 'nul\0', 'x'.repeat(256), 'ä'.repeat(128)]])(
    'the name %j is refused',
    (impossible) => {
      expectFailure('OPTION_INVALID', () => openViznWriter({ name: impossible, size: SIZE }));
      expectFailure('OPTION_INVALID', () => openViznReader(impossible));
    },
  );

  test('impossible sizes and modes are refused', () => {
    const other = uniqueName();
    for (const size of [0, 128, -1, 1000.5, Number.NaN, 2 ** 30 + 1]) {
      expectFailure('OPTION_INVALID', () => openViznWriter({ name: other, size }));
    }
    for (const mode of [0, 0o444, 0o1600, -1, 0.5, Number.NaN]) {
      expectFailure('OPTION_INVALID', () => openViznWriter({ name: other, size: SIZE, mode }));
    }
  });
});

describe('reading', () => {
  test('states of a segment: empty, live, gone after close, gone when replaced', () => {
    const reader = openViznReader(name);
    expect(reader.state()).toEqual({
      status: 'empty',
      ownerPid: process.pid,
      ownerAlive: true,
      writing: false,
      sequence: 0,
      frameAgeMs: undefined,
    });
    writer.write({
      jpeg: Uint8Array.of(1),
      width: 1,
      height: 1,
      timestampMs: Date.now() - 5000,
      sequence: 3,
    });
    const live = reader.state();
    expect(live).toMatchObject({ status: 'live', sequence: 3, ownerAlive: true });
    expect(live.frameAgeMs).toBeGreaterThanOrEqual(5000);
    writer.close();
    expect(reader.state().status).toBe('gone');
    // What was mapped can still be read, while a new segment lives under the name.
    writer = openViznWriter({ name, size: SIZE });
    expect(reader.state().status).toBe('gone');
    expect(reader.latest()?.sequence).toBe(3);
    const fresh = openViznReader(name);
    expect(fresh.state().status).toBe('empty');
    fresh.close();
    reader.close();
  });

  test('a name that was removed by hand is gone as well', () => {
    const reader = openViznReader(name);
    unlinkSync(pathOf(name));
    expect(reader.state().status).toBe('gone');
    reader.close();
  });

  test('a segment that does not exist is reported with its name', () => {
    const error = expectFailure('SHM_FAILED', () => openViznReader('/openmv_test_none'));
    expect(error.context['errno']).toBe('ENOENT');
    expect(error.message).toContain('/openmv_test_none');
  });

  test('a segment of another program without an owner is read all the same', () => {
    const other = uniqueName();
    const file = Buffer.alloc(1000);
    file.writeUInt32LE(0x56495a4e, 0);
    file.writeUInt32LE(4, 16);
    file.writeUInt32LE(1, 32);
    file.write('YUY2', 40);
    file.write('data', 128);
    writeFileSync(pathOf(other), file);
    try {
      const reader = openViznReader(other);
      expect(reader.latest()).toMatchObject({
        data: new Uint8Array(Buffer.from('data')),
        format: 'YUY2',
        jpeg: undefined,
      });
      expect(reader.state()).toMatchObject({ status: 'live', ownerPid: undefined, ownerAlive: undefined });
      reader.close();
    } finally {
      unlinkSync(pathOf(other));
    }
  });

  test('a file that is cut short under the reader is an error, not a crash', () => {
    writer.write(frame(1));
    const reader = openViznReader(name);
    truncateSync(pathOf(name), 100);
    expectFailure('SHM_INVALID', () => reader.latest());
    expectFailure('SHM_INVALID', () => reader.state());
    reader.close();
    truncateSync(pathOf(name), SIZE);
  });

  test('after close every call is an error', () => {
    const reader = openViznReader(name);
    reader.close();
    reader.close();
    expectFailure('SHM_FAILED', () => reader.latest());
    expectFailure('SHM_FAILED', () => reader.state());
  });
});
