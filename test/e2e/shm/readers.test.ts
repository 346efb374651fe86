/** The readers of tools/readers beside a live bridge: what they read is what the bridge announced, byte for byte. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { waitForShm } from '../../../src/shm/open-shm.js';
import { needed } from '../../support/needs.js';
import { Program } from '../program/program.js';
import { Child, compileReader, fixture, leftovers, READERS, uniqueName } from './support.js';

let bridge: Program | undefined;
afterEach(async () => {
  bridge?.kill('SIGINT');
  await bridge?.ended;
  bridge = undefined;
});

function start(...args: string[]): Program {
  bridge = new Program(['--port', 'virtual', '--json', ...args]);
  return bridge;
}

interface Line {
  readonly sequence: number;
  readonly format: string;
  readonly size: string;
  readonly bytes: number;
  readonly crc32: string;
}

function parse(line: string): Line {
  const [sequence, format, size, bytes, crc] = line.split(' ');
  return {
    sequence: Number(sequence),
    format: format!,
    size: size!,
    bytes: Number(bytes),
    crc32: crc!.replace('crc32=', ''),
  };
}

const LANGUAGES: Record<string, () => readonly [string, readonly string[]]> = {
  python: () => ['python3', [join(READERS, 'example.py')]],
  'c++': () => [compileReader('example.cpp'), []],
};

describe.each(Object.keys(LANGUAGES))('%s', (language) => {
  const example = (name: string, count: number): Child => {
    const [command, args] = LANGUAGES[language]!();
    return new Child(command, [...args, name, String(count)]);
  };

  test('reads the latest frame and every frame of a ring from a live bridge', async () => {
    const [vizn, ring] = [uniqueName(), uniqueName()];
    const running = start('--shm-name', vizn, '--ring', ring, '--ring-slots', '64');
    await running.line((line) => line.type === 'frame');
    const readers = [example(vizn, 15), example(ring, 40)] as const;
    const seen = await Promise.all(
      readers.map(async (reader, index) => {
        const lines = [];
        for (let i = 0; i < (index === 0 ? 15 : 40); i++) lines.push(parse(await reader.line()));
        expect(await reader.exited).toBe(0);
        return lines;
      }),
    );
    for (const line of seen.flat()) {
      const told = await running.line(
        (frame) => frame.type === 'frame' && frame['sequence'] === line.sequence,
      );
      expect(line).toEqual({
        sequence: told['sequence'],
        format: 'MJPG',
        size: `${told['width']}x${told['height']}`,
        bytes: told['bytes'],
        crc32: told['crc32'],
      });
    }
    const first = seen[1]![0]!.sequence;
    expect(seen[1]!.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 40 }, (_, i) => first + i));
    const latest = seen[0]!.map(({ sequence }) => sequence);
    expect(latest).toEqual([...new Set(latest)].sort((a, b) => a - b));
  });

  test('reads decoded frames and arrays', async () => {
    const [vizn, base] = [uniqueName(), uniqueName().slice(1)];
    const running = start('--shm-name', vizn, '--shm-format', 'rgb3', '--arrays', base);
    await running.line((line) => line.type === 'frame');
    for (const [name, format] of [
      [vizn, 'RGB3'],
      [`/${base}_image_shm`, 'uint8'],
    ] as const) {
      const reader = example(name, 3);
      for (let i = 0; i < 3; i++) {
        expect(parse(await reader.line())).toMatchObject({ format, size: '320x240', bytes: 320 * 240 * 3 });
      }
      expect(await reader.exited).toBe(0);
    }
  });

  test('goes on with the next bridge after a kill', async () => {
    const name = uniqueName();
    const first = start('--shm-name', name);
    await first.line((line) => line.type === 'frame');
    const reader = example(name, 1_000_000);
    await reader.line();
    first.kill('SIGKILL');
    await first.ended;
    const second = start('--shm-name', name);
    const told = await second.line((line) => line.type === 'frame' && line['sequence'] === 5);
    let line = parse(await reader.line());
    while (line.crc32 !== told['crc32'] && line.sequence !== 20) line = parse(await reader.line());
    await reader.kill();
    second.kill('SIGINT');
    await second.ended;
    expect(leftovers()).toEqual([]);
  });
});

/** Pythons that have what the optional parts need. */
const withNumpy = ['python3', '/usr/bin/python3'].find(
  (python) => spawnSync(python, ['-c', 'import numpy']).status === 0,
);

test.skipIf(withNumpy === undefined)(
  'numpy arrays in Python (needs numpy, Debian: python3-numpy)',
  async () => {
    const [vizn, base] = [uniqueName(), uniqueName().slice(1)];
    const running = start('--shm-name', vizn, '--shm-format', 'bgr3', '--arrays', base);
    await running.line((line) => line.type === 'frame');
    const child = new Child(withNumpy!, [fixture('numpy_arrays.py'), READERS, vizn, `/${base}_image_shm`]);
    expect(await child.json()).toEqual({
      vizn: { shape: [240, 320, 3], dtype: 'uint8' },
      array: { shape: [240, 320, 3], dtype: 'uint8' },
      swapped: true,
    });
    expect(await child.exited).toBe(0);
  },
);

test('the Python reader refuses what it cannot read, and waits in bounded time', async () => {
  const name = uniqueName();
  const child = new Child('python3', [fixture('reader_errors.py'), READERS, name]);
  expect(await child.json()).toEqual({
    missing: 'SHM_FAILED',
    link: 'SHM_FAILED',
    name: 'SHM_FAILED',
    garbage: 'SHM_INVALID',
    short: 'SHM_INVALID',
    ring: 'SHM_INVALID',
    broken: null,
    brokenState: 'stale',
    damaged: 'SHM_INVALID',
    cut: 'SHM_INVALID',
    closed: ['SHM_FAILED'],
    times: [0, 0, 0, 2_500_000_000],
  });
  expect(await child.exited).toBe(0);
});

test('the Python reader polls where there is no futex', async () => {
  const [vizn, ring] = [uniqueName(), uniqueName()];
  const running = start('--shm-name', vizn, '--ring', ring);
  await running.line((line) => line.type === 'frame');
  for (const name of [vizn, ring]) {
    const program = [
      'import sys; sys.path.insert(0, sys.argv.pop(1))',
      'import example, openmv_shm; openmv_shm._futex = None; example.main()',
    ];
    const reader = new Child('python3', ['-B', '-c', program.join('\n'), READERS, name, '5']);
    const seen = [];
    for (let i = 0; i < 5; i++) seen.push(parse(await reader.line()));
    for (const line of seen) {
      const told = await running.line(
        (frame) => frame.type === 'frame' && frame['sequence'] === line.sequence,
      );
      expect(line.crc32).toBe(told['crc32']);
    }
    expect(await reader.exited).toBe(0);
  }
});

test('the sequence of an array is that of the frame: its time is that of the capture', async () => {
  const base = uniqueName().slice(1);
  const running = start('--no-shm', '--arrays', base);
  await running.line((line) => line.type === 'frame');
  const shm = await waitForShm(`/${base}_image`, { timeoutMs: 20_000 });
  let checked = 0;
  for await (const { sequence, timestampNs } of shm.frames()) {
    const told = await running.line((line) => line.type === 'frame' && line['sequence'] === sequence);
    expect(Math.abs(Number(timestampNs) / 1e6 - told['capturedAtMs'])).toBeLessThan(1);
    if (++checked === 5) break;
  }
  await shm.close();
});

test('the Python example says what is missing, without a traceback', async () => {
  const name = uniqueName();
  const program = [
    'import sys; sys.path.insert(0, sys.argv.pop(1))',
    'import example, openmv_shm; wait = openmv_shm.open',
    'openmv_shm.open = lambda name, timeout: wait(name, 0)',
    'example.main()',
  ];
  const { status, stderr } = spawnSync(needed('python3'), ['-B', '-c', program.join('\n'), READERS, name]);
  expect(status).toBe(1);
  expect(String(stderr)).toBe(`There is no shared memory ${name}. Start the bridge that writes it.\n`);
});
