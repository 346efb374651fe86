/** How often a channel is asked, on a clock of the test's own. */
import { describe, expect, it } from 'vitest';
import { PullPace } from '../../../src/frames/pull-pace.js';

interface Sensor {
  /** Milliseconds from the reading of one frame to the next one's being latched. */
  readonly captureMs: number;
  /** Whether the event of that capture arrives. */
  readonly event: (capture: number) => boolean;
}

interface Pulled {
  readonly frames: number;
  readonly looks: number;
  readonly doubts: number;
  /** The longest time from a capture to its frame being taken, from the `settled`th frame on. */
  readonly latest: number;
}

/** Pulls as the puller does: waits for an event or as long as the pace says, looks, takes what is there. */
function pull({ captureMs, event }: Sensor, forMs: number, settled = 100): Pulled {
  let now = 0;
  const pace = new PullPace(() => now);
  let frames = 0;
  let looks = 0;
  let doubts = 0;
  let latest = 0;
  let latchedAt = 0;
  while (now < forMs) {
    looks++;
    if (latchedAt <= now) {
      frames++;
      if (frames > settled) latest = Math.max(latest, now - latchedAt);
      pace.taken();
      latchedAt = now + captureMs;
    }
    const timer = now + Math.max(1, pace.waitMs);
    const byEvent = event(frames) && latchedAt > now && latchedAt <= timer;
    now = byEvent ? latchedAt : timer;
    pace.waited(byEvent);
    if (pace.doubtful()) doubts++;
  }
  return { frames, looks, doubts, latest };
}

const never = (): boolean => false;
const always = (): boolean => true;

describe('a script that sends no events', () => {
  it.each([0.5, 2, 8, 33, 100, 700])('is asked often enough for a frame every %d ms', (captureMs) => {
    const { frames, looks } = pull({ captureMs, event: never }, 60_000);
    expect(frames).toBeGreaterThan(0.7 * (60_000 / Math.max(2, captureMs)));
    expect(looks).toBeLessThan(20 * frames);
  });

  it('is asked seldom when it has nothing to say for long', () => {
    const { frames, looks } = pull({ captureMs: 20_000, event: never }, 600_000);
    expect(frames).toBeGreaterThanOrEqual(28);
    expect(looks).toBeLessThan(600_000 / 200);
  });
});

describe('a script that sends events', () => {
  it.each([1, 33, 700])('is not asked in between, with a frame every %d ms', (captureMs) => {
    const { frames, looks } = pull({ captureMs, event: always }, 60_000);
    expect(frames).toBeGreaterThan(0.98 * (60_000 / captureMs));
    expect(looks).toBeLessThan(1.1 * frames + 10 + (captureMs > 250 ? 3 * frames : 0));
  });

  it('loses about one frame of time when an event is lost, and no more later', () => {
    const lost = (capture: number): boolean => capture % 50 !== 7;
    const { frames, latest } = pull({ captureMs: 33, event: lost }, 60_000);
    expect(latest).toBeLessThanOrEqual(2 * 33);
    expect(frames).toBeGreaterThan(0.95 * (60_000 / 33));
  });

  it('that stops sending them for a while is asked more often, and waited for again when it sends them', () => {
    const gap = (capture: number): boolean => capture < 300 || capture > 400;
    const { frames, looks } = pull({ captureMs: 33, event: gap }, 60_000);
    expect(frames).toBeGreaterThan(0.95 * (60_000 / 33));
    expect(looks).toBeLessThan(2 * frames);
  });
});

describe('doubt that the channel lives', () => {
  it('comes about every two seconds without a frame', () => {
    const { doubts } = pull({ captureMs: 1e9, event: never }, 20_000);
    expect(doubts).toBeGreaterThanOrEqual(8);
    expect(doubts).toBeLessThanOrEqual(10);
  });

  it.each([never, always])('does not come while frames do', (event) => {
    expect(pull({ captureMs: 700, event }, 60_000).doubts).toBe(0);
  });
});
