/** The time of a capture by the host's clock, from simulated cameras whose true times are known. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CaptureClock } from '../../../src/frames/capture-clock.js';
import { TICK_WRAP } from '../../../src/frames/window.js';

interface Line {
  /** Of the camera's clock, in parts of one. */
  readonly drift?: number;
  /** Milliseconds to the camera, and back. */
  readonly there: number;
  readonly back: number;
}

/** A camera whose clock began `offset` microseconds ago; `age`: milliseconds from the capture to the reading of its header. */
function camera(offset: number) {
  return (clock: CaptureClock, now: number, age: number, { drift = 0, there, back }: Line) => {
    const tick = (hostMs: number): number => Math.floor(offset + hostMs * (1 + drift) * 1_000) % TICK_WRAP;
    const served = now + there;
    const header = { servedTick: tick(served), age: Math.floor(age * (1 + drift) * 1_000) };
    return { time: clock.take(header, now, served + back), truth: served - age };
  };
}

/** What ticks cut off, and sums of fractions. */
const TICK_MS = 0.005;
const QUICK = { there: 0.5, back: 0.5 };

const ms = (max: number) => fc.double({ min: 0, max, noNaN: true });

describe('the capture clock', () => {
  it.each([0, 200e-6, -200e-6])('keeps its error within what it says, with a drift of %d', (drift) => {
    const frames = fc.array(fc.tuple(ms(2_000), ms(500), ms(20), ms(60)), { minLength: 2, maxLength: 200 });
    fc.assert(
      fc.property(fc.nat(TICK_WRAP - 1), frames, (offset, steps) => {
        const read = camera(offset);
        const clock = new CaptureClock();
        let now = 1_000;
        for (const [pause, age, there, back] of steps) {
          const { time, truth } = read(clock, now, age, { drift, there, back });
          expect(Math.abs(time!.at - truth)).toBeLessThanOrEqual(time!.errorMs + TICK_MS);
          // No worse than what this frame alone tells.
          expect(time!.errorMs).toBeLessThanOrEqual((there + back) / 2 + age * 500e-6 + TICK_MS);
          now += there + back + pause;
        }
      }),
      // A slow answer, and a quick one soon after it: the clocks drift apart during the slow one too.
      {
        numRuns: 200,
        examples: [
          [
            0,
            [
              [0, 0, 0, 21.88],
              [0, 0, 0, 0.006],
              [0, 0, 0, 0],
              [0, 0, 0, 0],
            ],
          ],
        ],
      },
    );
  });

  it('remembers quick answers for a while', () => {
    const read = camera(0);
    const clock = new CaptureClock();
    expect(read(clock, 1_000, 10, { there: 0.1, back: 0.1 }).time!.errorMs).toBeLessThan(0.2);
    const slow = { there: 0.1, back: 50 };
    expect(read(clock, 1_100, 10, slow).time!.errorMs).toBeLessThan(0.3);
    expect(read(clock, 500_000, 10, slow).time!.errorMs).toBeGreaterThan(20);
  });

  it('follows ticks that begin again, and a camera that does', () => {
    const clock = new CaptureClock();
    let now = 1_000;
    for (const offset of [TICK_WRAP - 5_000_000, 1_000]) {
      const read = camera(offset);
      for (let n = 0; n < 40; n++, now += 60_000) {
        const { time, truth } = read(clock, now, 25, QUICK);
        expect(Math.abs(time!.at - truth)).toBeLessThanOrEqual(time!.errorMs + TICK_MS);
      }
    }
  });

  it('goes on after a pause in which the ticks have gone round, with a frame that waited for hours', () => {
    const read = camera(0);
    const clock = new CaptureClock();
    read(clock, 1_000, 10, QUICK);
    for (const [now, age] of [
      [2_000_000_000, 10],
      [2_007_200_000, 7_000_000],
    ] as const) {
      const { time, truth } = read(clock, now, age, QUICK);
      expect(Math.abs(time!.at - truth)).toBeLessThanOrEqual(time!.errorMs + TICK_MS);
      expect(time!.errorMs).toBeLessThan(0.6 + age * 501e-6);
    }
  });

  it('says nothing of a frame that waited for longer than the camera can tell', () => {
    const clock = new CaptureClock();
    expect(clock.take({ servedTick: 1_000, age: undefined }, 10, 11)).toBe(undefined);
  });
});
