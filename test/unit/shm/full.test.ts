import { expect, test } from 'vitest';
import { Child, fixture, startNode, unshare } from '../../e2e/shm/support.js';

interface Attempt {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly value?: unknown;
}

interface Report {
  readonly tooLarge: Attempt;
  readonly afterTooLarge: string[];
  readonly imageRefused: Attempt;
  readonly kept: number;
  readonly count: number;
  readonly files: number;
  readonly entries: number;
  readonly whole: boolean;
  readonly published: Attempt;
  readonly readBack: boolean;
  readonly second: Attempt;
  readonly afterRelease: Attempt;
  readonly left: string[];
}

const SMALL_SHM = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$@"';

test.skipIf(unshare === undefined)(
  'a full /dev/shm is an error at creation, never a crash (needs the right to mount a small one)',
  async () => {
    const command = ['sh', '-c', SMALL_SHM, 'sh', process.execPath, fixture('full.mjs')];
    const child = new Child('unshare', [...unshare!, ...command]);
    const report = await child.json<Report>();
    expect(await child.exited).toBe(0);

    expect(report.tooLarge).toMatchObject({ name: 'BridgeError', code: 'SHM_FULL' });
    for (const part of ['/large', '8294528', '1.0 MiB free of 1.0 MiB', 'remount,size=', '--shm-size']) {
      expect(report.tooLarge.message).toContain(part);
    }
    expect(report.afterTooLarge).toEqual([]);

    // Images go on until there is no room, the one that did not fit leaves nothing, the others stay whole.
    expect(report.imageRefused).toMatchObject({ name: 'BridgeError', code: 'SHM_FULL' });
    expect(report.imageRefused.message).toContain('30000 bytes');
    expect(report.kept).toBeGreaterThan(2);
    expect([report.count, report.files, report.entries]).toEqual([
      report.kept,
      report.kept,
      2 * report.kept + 1,
    ]);
    expect(report.whole).toBe(true);

    expect(report.published).toEqual({});
    expect(report.readBack).toBe(true);
    expect(report.second.code).toBe('SHM_FULL');
    expect(report.afterRelease.value).toBe('again');
    expect(report.left).toEqual([]);
  },
);

test.each([
  ['platform', 'darwin'],
  ['koffi', 'koffi'],
])('without a fit %s, shared memory is UNSUPPORTED and image files still work', async (what, named) => {
  const child = startNode('unsupported.mjs', what);
  const report = await child.json<{ loadedByImport: number; errors: Attempt[]; images: boolean }>();
  expect(report.loadedByImport).toBe(0);
  expect(report.images).toBe(true);
  expect(report.errors).toHaveLength(2);
  for (const error of report.errors) {
    expect(error).toMatchObject({ name: 'BridgeError', code: 'UNSUPPORTED' });
    expect(error.message).toContain(named);
    expect(error.message).toMatch(/do without|needs Linux/);
  }
});
