/** The timestamps of a live bridge's frames: when they were captured, Unix time, to the microsecond, the same in every layout. */
import { expect, test } from 'vitest';
import { waitForShm } from '../../../src/shm/open-shm.js';
import { Program } from '../program/program.js';
import { closing, uniqueName } from './support.js';

test('timestamps have microseconds, in the segment and in the ring', { timeout: 60_000 }, async () => {
  const [vizn, ring] = [uniqueName(), uniqueName()];
  const bridge = new Program(['--port', 'virtual', '--json', '--shm-name', vizn, '--ring', ring]);
  const begun = Date.now();
  const times = new Map<number, bigint>();
  const reader = closing(await waitForShm(ring, { timeoutMs: 20_000 }));
  for await (const { sequence, timestampNs } of reader.frames()) {
    times.set(sequence, timestampNs);
    if (times.size === 10) break;
  }
  const newest = closing(await waitForShm(vizn));
  for await (const { sequence, timestampNs } of newest.frames()) {
    const same = times.get(sequence);
    if (same !== undefined) expect(timestampNs).toBe(same);
    if (sequence > 12) break;
  }
  bridge.kill('SIGINT');
  expect((await bridge.ended).status).toBe(0);
  const all = [...times.values()];
  expect(all.some((time) => time % 1_000_000n !== 0n)).toBe(true);
  for (const line of bridge.of('frame')) {
    const time = times.get(line['sequence']);
    if (time !== undefined)
      expect(Math.abs(Number(time / 1_000n) / 1_000 - line['capturedAtMs'])).toBeLessThan(1);
  }
  expect(all.every((time) => Number(time / 1_000_000n) >= begun - 1)).toBe(true);
});
