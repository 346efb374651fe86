/** What is told and counted of sinks that fail, recover, and are made again. */
import { expect, test, vi } from 'vitest';
import type { Sink } from '../../../src/bridge/sink.js';
import { FrameSinks } from '../../../src/bridge/sinks.js';
import { BridgeError } from '../../../src/errors.js';
import { Frame } from '../../../src/frames/frame.js';
import { fakeJpeg } from '../../fakes/jpeg.js';

const about = {
  runId: 'run',
  cameraId: 'cam',
  width: 1,
  height: 1,
  timestampMs: 1,
  captureNumber: undefined,
};
const frame = (sequence: number): Frame => new Frame({ ...about, sequence, jpeg: fakeJpeg(sequence, 100) });

function told() {
  const events: string[] = [];
  const sinks = new FrameSinks({
    failed: (kind, error) => events.push(`${kind} ${error.code}: ${error.message}`),
    recovered: (kind, lost) => events.push(`${kind} recovered, ${lost} lost`),
    ended: (error) => events.push(`ended ${error.code}`),
  });
  return { sinks, events };
}

const taken = new BridgeError('SHM_IN_USE', 'It is taken.');

test('a sink that fails after it has taken a frame counts as failing until it works', async () => {
  const { sinks, events } = told();
  const sink = { failing: false, sharedName: '/x', write: () => undefined, close: () => undefined };
  let fail = (_error: BridgeError): void => undefined;
  await sinks.add('arrays', (failed) => {
    fail = failed;
    return sink;
  });
  sinks.write(frame(1));
  fail(taken);
  sink.failing = true;
  const lost = [frame(2), frame(3)];
  for (const one of lost) sinks.write(one);
  expect(events).toEqual(['arrays SHM_IN_USE: It is taken.']);
  expect(lost.map(({ sharedMemId }) => sharedMemId)).toEqual([null, null]);
  sink.failing = false;
  sinks.write(frame(4));
  expect(events.slice(1)).toEqual(['arrays recovered, 2 lost']);
  expect(sinks.stats().arrays).toEqual({ written: 2, lost: 2, skipped: 0 });
  await sinks.close();
});

test('one that takes the place of a sink that failed tells that its kind works again', async () => {
  const { sinks, events } = told();
  await sinks.add('recording', (failed) => ({
    write: () => {
      failed(taken);
      throw taken;
    },
    close: () => undefined,
  }));
  sinks.write(frame(1));
  sinks.write(frame(2));
  await sinks.remove('recording');
  await sinks.add('recording', () => ({ write: () => undefined, close: () => undefined }));
  expect(events).toEqual(['recording SHM_IN_USE: It is taken.']);
  sinks.write(frame(3));
  expect(events.slice(1)).toEqual(['recording recovered, 2 lost']);
  await sinks.close();
});

test('a sink whose name is gone is closed, opened again when that can be, and told once', async () => {
  vi.useFakeTimers();
  try {
    const { sinks, events } = told();
    let held = false;
    let gone: BridgeError | undefined;
    const opened: { again: boolean; closed: boolean; skipped: number }[] = [];
    await sinks.add('segment', (_failed, again): Sink => {
      if (held) throw taken;
      gone = undefined;
      const one = {
        ...{ again, closed: false, skipped: 3 },
        write: () => undefined,
        lost: () => gone,
        close: () => {
          one.closed = true;
        },
      };
      opened.push(one);
      return one;
    });
    await vi.advanceTimersByTimeAsync(5_000);
    expect(opened).toHaveLength(1);
    held = true;
    gone = new BridgeError('SHM_FAILED', 'It was removed.');
    // Noticed within a second, and then looked at every second.
    await vi.advanceTimersByTimeAsync(1_000);
    expect(opened.map(({ closed }) => closed)).toEqual([true]);
    sinks.write(frame(1));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(events).toEqual([expect.stringMatching(/^segment SHM_IN_USE: It was removed\. .*It is taken\.$/)]);
    held = false;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(opened.map(({ again, closed }) => [again, closed])).toEqual([
      [false, true],
      [true, false],
    ]);
    sinks.write(frame(2));
    expect(events.slice(1)).toEqual(['segment recovered, 1 lost']);
    // What the first one had left out is not forgotten.
    expect(sinks.stats().segment).toEqual({ written: 1, lost: 1, skipped: 6 });
    await sinks.close();
    expect(opened.map(({ closed }) => closed)).toEqual([true, true]);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});

test('closed while a name is waited for, it opens nothing any more', async () => {
  vi.useFakeTimers();
  try {
    const { sinks } = told();
    let opened = 0;
    let gone: BridgeError | undefined;
    await sinks.add('ring', () => {
      if (gone) throw taken;
      opened++;
      return { write: () => undefined, lost: () => gone, close: () => undefined };
    });
    gone = new BridgeError('SHM_FAILED', 'It was removed.');
    await vi.advanceTimersByTimeAsync(1_000);
    await sinks.close();
    gone = undefined;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(opened).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  } finally {
    vi.useRealTimers();
  }
});
