/** Which frames a viewer is shown with an algorithm: those with a verdict, and others when none comes. */
import { expect, it, vi } from 'vitest';
import { follow } from '../../../src/web/picture-choice.js';
import { FakeBridge } from '../../fakes/fake-bridge.js';

it('judged frames, and others only while none is judged', () => {
  vi.useFakeTimers();
  try {
    const fake = new FakeBridge('cam', 'algorithm');
    const seen: [number, string | undefined][] = [];
    const ended = vi.fn();
    follow(
      fake.bridge,
      'judged',
      ({ frame, outcome }) => seen.push([frame.sequence, outcome?.outcome]),
      ended,
    );
    fake.judge('skipped');
    expect(seen).toEqual([[1, 'skipped']]);
    fake.judge('ok');
    vi.advanceTimersByTime(500);
    fake.judge('skipped');
    fake.judge('ng');
    expect(seen.slice(1)).toEqual([
      [2, 'ok'],
      [4, 'ng'],
    ]);
    vi.advanceTimersByTime(1_100);
    fake.judge('skipped');
    fake.judge('skipped');
    expect(seen.slice(3)).toEqual([
      [5, 'skipped'],
      [6, 'skipped'],
    ]);
    // An algorithm that takes three seconds is waited for.
    fake.judge('ok');
    vi.advanceTimersByTime(3_000);
    fake.judge('ok');
    vi.advanceTimersByTime(3_000);
    fake.judge('skipped');
    expect(seen.at(-1)).toEqual([8, 'ok']);
    fake.end();
    expect(ended).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});

it('live: each frame, without a verdict', () => {
  const fake = new FakeBridge();
  const seen: unknown[] = [];
  const subscription = follow(
    fake.bridge,
    'live',
    ({ frame, outcome }) => seen.push([frame.sequence, outcome]),
    () => undefined,
  );
  fake.frame();
  fake.judge('ok');
  subscription.unsubscribe();
  fake.frame();
  expect(seen).toEqual([
    [1, undefined],
    [2, undefined],
  ]);
});
