/** The benchmarks run, and fill their table with figures that can be true. How large those are is no test's business. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';

const MAIN = fileURLToPath(new URL('../../../tools/bench/main.mjs', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'openmv-bench-test-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Row {
  readonly part: string;
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

function bench(args: readonly string[], env = process.env): Promise<{ status: number | null; text: string }> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [MAIN, '--quick', ...args], { env });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (piece: string) => {
        text += piece;
      });
    child.once('close', (status) => resolve({ status, text }));
  });
}

/** How many rows each has at least, and one of them. */
const PARTS = [
  ['codec', 6, 'decoder, 4 KB packets into a frame'],
  ['line', 18, 'full speed, 1 MB/s, 1 ms, 25 KB'],
  ['host', 8, 'virtual camera, acks on: bridge, default'],
  ['cameras', 3, '2 cameras at 30 frames/s: processor'],
  ['http', 4, '3 viewers of /stream.mjpg'],
  ['work', 3, 'default: promises a frame'],
  ['decode', 2, '1 x 1080p at 30 frames/s, rgb3 and arrays'],
  ['shm', 17, 'every 5 ms: VIZN to Python'],
  ['runner', 4, 'Python: a call, median'],
  ['fleet', 4, 'a remote call at 30 frames/s, arrival to result'],
] as const;

describe('npm run bench', () => {
  it.each(PARTS)(
    '%s',
    async (part, least, one) => {
      needs('g++', 'python3', 'nats-server');
      const file = join(folder, `${part}.json`);
      const { status, text } = await bench([part, '--save', file]);
      expect(status, text).toBe(0);
      const { rows, machine } = JSON.parse(readFileSync(file, 'utf8')) as { rows: Row[]; machine: object };
      expect(machine).toMatchObject({ node: process.version });
      expect(rows.length).toBeGreaterThanOrEqual(least);
      expect(rows.map(({ what }) => what)).toContain(one);
      expect(new Set(rows.map(({ what }) => what)).size).toBe(rows.length);
      // A difference of two times may be anything.
      const wrong = rows.filter(
        ({ what, value }) => !Number.isFinite(value) || (value <= 0 && !what.endsWith('of that our own')),
      );
      expect(wrong).toEqual([]);
      const impossible = rows.filter(
        ({ part: of, unit, value }) => of === 'line' && unit === '%' && value > 100,
      );
      expect(impossible).toEqual([]);
    },
    120_000,
  );

  it('compares with an earlier table', async () => {
    const file = join(folder, 'before.json');
    await bench(['codec', '--save', file]);
    const { status, text } = await bench(['codec', '--compare', file]);
    expect(status).toBe(0);
    expect(text).toMatch(/memcpy.* x before/);
  });

  it('leaves out, by name, what needs a compiler that is missing', async () => {
    const { status, text } = await bench(['host', 'shm'], {
      ...process.env,
      PATH: folder,
    });
    expect(status).toBe(0);
    expect(text).toMatch(/bridge beside a host in C +skipped: no C compiler/);
    expect(text).toMatch(/shared memory +skipped: no C\+\+ compiler/);
  });

  it('refuses a name that there is not', async () => {
    const { status, text } = await bench(['everything']);
    expect(status).toBe(2);
    expect(text).toContain('There are: codec, line, host');
  });
});
