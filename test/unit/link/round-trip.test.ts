import { describe, expect, it } from 'vitest';
import { RoundTrip } from '../../../src/link/round-trip.js';
import { HOST_TIMING } from '../../../src/link/timing.js';

function measuring(...samples: number[]): RoundTrip {
  const roundTrip = new RoundTrip();
  for (const sample of samples) roundTrip.measured(sample, 0);
  return roundTrip;
}

describe('the measured wait', () => {
  it('is the initial one before anything was measured', () => {
    expect(measuring().replyMs(0)).toBe(HOST_TIMING.initialReplyMs);
    expect(measuring().smoothedMs).toBe(0);
  });

  it('is twice the slowest answer, however many quick ones came since', () => {
    expect(measuring(700).replyMs(0)).toBe(1_400);
    expect(measuring(1, 700, ...new Array(1_000).fill(1)).replyMs(0)).toBe(1_400);
    expect(measuring(100, 140).smoothedMs).toBe(105);
  });

  it('forgets a slow answer after a while in which there was none', () => {
    const { memoryMs } = HOST_TIMING;
    const roundTrip = measuring(700);
    roundTrip.measured(1, memoryMs - 1);
    expect(roundTrip.replyMs(memoryMs - 1)).toBe(1_400);
    roundTrip.measured(1, memoryMs + 1);
    expect(roundTrip.replyMs(memoryMs + 1)).toBe(1_400);
    roundTrip.measured(1, 2 * memoryMs + 1);
    expect(roundTrip.replyMs(2 * memoryMs + 2)).toBe(HOST_TIMING.cleanReplyMs);
    expect(measuring(700).replyMs(10 * memoryMs)).toBe(HOST_TIMING.cleanReplyMs);
  });

  it('is short where packets are lost more often than answers are slow', () => {
    const roundTrip = measuring(0.2);
    expect(roundTrip.replyMs(0)).toBe(HOST_TIMING.cleanReplyMs);
    roundTrip.lost(10);
    expect(roundTrip.replyMs(11)).toBe(HOST_TIMING.minReplyMs);
    roundTrip.measured(700, 12);
    roundTrip.measured(0.2, 13);
    expect(roundTrip.replyMs(13)).toBe(1_400);
    roundTrip.lost(14);
    // A slow answer among them makes the usual one slower, for a while.
    for (let round = 0; round < 60; round++) roundTrip.measured(0.2, 15);
    expect(roundTrip.replyMs(16)).toBe(HOST_TIMING.minReplyMs);
    expect(roundTrip.replyMs(16 + 2 * HOST_TIMING.memoryMs)).toBe(HOST_TIMING.cleanReplyMs);
  });

  it('never goes above its ceiling', () => {
    expect(measuring(9_000, 1, 9_000).replyMs(0)).toBe(HOST_TIMING.maxReplyMs);
  });
});
