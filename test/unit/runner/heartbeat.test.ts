import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Heartbeat } from '../../../src/runner/heartbeat.js';

/** A heartbeat on a clock of our own: pings sent, and whether it was given up. */
function setUp() {
  const state = { busy: false, pings: [] as string[], dead: 0 };
  const heartbeat = new Heartbeat({
    intervalMs: 5_000,
    graceMs: 2_000,
    misses: 2,
    busy: () => state.busy,
    ping: (id) => state.pings.push(id),
    dead: () => {
      state.dead += 1;
    },
  });
  return { state, heartbeat };
}

/** Lets time pass, and then what a deadline leaves to the next turn of the event loop. */
async function advance(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
  await vi.advanceTimersByTimeAsync(1);
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('Heartbeat', () => {
  it('pings every interval as long as pongs come', async () => {
    const { state, heartbeat } = setUp();
    heartbeat.start();
    for (let round = 1; round <= 4; round += 1) {
      await advance(5_000);
      expect(state.pings).toHaveLength(round);
      expect(heartbeat.pong(state.pings.at(-1)!)).toBe(true);
    }
    expect(new Set(state.pings).size).toBe(4);
    expect(state.dead).toBe(0);
    heartbeat.stop();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('gives up at the second miss in a row, once, and stops', async () => {
    const { state, heartbeat } = setUp();
    heartbeat.start();
    await advance(11_990);
    expect(state.pings).toHaveLength(2);
    expect(state.dead).toBe(0);
    await advance(60_000);
    expect(state.dead).toBe(1);
    expect(state.pings).toHaveLength(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('does not count a miss before a pong', async () => {
    const { state, heartbeat } = setUp();
    heartbeat.start();
    await advance(10_000);
    heartbeat.pong(state.pings[1]!);
    await advance(7_000);
    expect(state.pings).toHaveLength(3);
    expect(state.dead).toBe(0);
    heartbeat.stop();
  });

  it('neither pings nor judges while a call is in flight', async () => {
    const { state, heartbeat } = setUp();
    heartbeat.start();
    await advance(5_000);
    state.busy = true;
    await advance(60_000);
    expect(state.pings).toHaveLength(1);
    expect(state.dead).toBe(0);
    state.busy = false;
    // The ping that was out when the call began is no miss: two more are needed.
    await advance(3_000);
    expect(state.pings).toHaveLength(2);
    expect(state.dead).toBe(0);
    await advance(5_000);
    expect(state.pings).toHaveLength(3);
    expect(state.dead).toBe(1);
  });

  it('takes a result for a sign of life', async () => {
    const { state, heartbeat } = setUp();
    heartbeat.start();
    await advance(8_000);
    heartbeat.alive();
    await advance(6_000);
    expect(state.pings).toHaveLength(2);
    expect(state.dead).toBe(0);
    heartbeat.stop();
  });

  it('takes only the pong it waits for', async () => {
    const { state, heartbeat } = setUp();
    heartbeat.start();
    await advance(5_000);
    expect(heartbeat.pong('somebody else')).toBe(false);
    expect(heartbeat.pong(state.pings[0]!)).toBe(true);
    expect(heartbeat.pong(state.pings[0]!)).toBe(false);
    heartbeat.stop();
  });
});
