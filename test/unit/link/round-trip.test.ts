import { describe, expect, it } from 'vitest';
import { RoundTrip } from '../../../src/link/round-trip.js';
import { HOST_TIMING } from '../../../src/link/timing.js';

function measuring(...samples: number[]): RoundTrip {
  const roundTrip = new RoundTrip();
  for (const sample of samples) roundTrip.measured(sample);
  return roundTrip;
}

describe('the measured wait', () => {
  it('is the initial one before anything was measured', () => {
    expect(measuring().replyMs).toBe(HOST_TIMING.initialReplyMs);
    expect(measuring().smoothedMs).toBe(0);
  });

  it('is the smoothed round trip and four mean deviations', () => {
    // First sample 100: deviation 50. Second 140: deviation 50 + (40 - 50) / 4, smoothed 100 + 40 / 8.
    expect(measuring(100).replyMs).toBe(100 + 4 * 50);
    expect(measuring(100, 140).smoothedMs).toBe(105);
    expect(measuring(100, 140).replyMs).toBe(105 + 4 * 47.5);
  });

  it('comes down when the line is steady, and never below its floor', () => {
    expect(measuring(...new Array(60).fill(100)).replyMs).toBeCloseTo(100, 3);
    expect(measuring(...new Array(60).fill(0.2)).replyMs).toBe(HOST_TIMING.minReplyMs);
    expect(measuring(0).replyMs).toBe(HOST_TIMING.minReplyMs);
  });

  it('goes up when round trips vary, and never above its ceiling', () => {
    const jitter = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? 10 : 110));
    expect(measuring(...jitter).replyMs).toBeGreaterThan(110);
    expect(measuring(9_000, 1, 9_000).replyMs).toBe(HOST_TIMING.maxReplyMs);
  });
});
