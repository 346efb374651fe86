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
    await advance(5_000);
    await advance(5_000);
    expect(heartbeat.pong(state.pings[1]!)).toBe(true);
    await advance(7_000);
    expect(state.pings).toHaveLength(3);
    expect(state.dead).toBe(0);
    heartbeat.stop();
  });

  it('does not judge while a call is in flight, and sends one ping to find out whether it is answered', async () => {
    const { state, heartbeat } = setUp();
    heartbeat.start();
    await advance(5_000);
    state.busy = true;
    await advance(60_000);
    expect(state.pings).toHaveLength(2);
    expect(state.dead).toBe(0);
    state.busy = false;
    heartbeat.alive();
    // The pings that were out during the call are no misses: two more are needed.
    await advance(3_000);
    expect(state.pings).toHaveLength(3);
    expect(state.dead).toBe(0);
    await advance(5_000);
    expect(state.pings).toHaveLength(4);
    expect(state.dead).toBe(1);
  });

  it('goes on during calls to an adapter that answered during one, and not to another', async () => {
    const answers = setUp();
    answers.state.busy = true;
    answers.heartbeat.start();
    for (let round = 1; round <= 3; round += 1) {
      await advance(5_000);
      expect(answers.state.pings).toHaveLength(round);
      answers.heartbeat.pong(answers.state.pings.at(-1)!);
    }
    answers.heartbeat.alive();
    await advance(10_000);
    // One is out; it is not judged.
    expect(answers.state.pings).toHaveLength(4);
    expect(answers.state.dead).toBe(0);
    answers.heartbeat.stop();

    const mute = setUp();
    mute.state.busy = true;
    mute.heartbeat.start();
    await advance(5_000);
    // The result comes before the pong, as of an adapter with one thread; the next call follows at once.
    mute.heartbeat.alive();
    expect(mute.heartbeat.pong(mute.state.pings[0]!)).toBe(false);
    await advance(60_000);
    expect(mute.state.pings).toHaveLength(1);
    expect(mute.state.dead).toBe(0);
    mute.heartbeat.stop();
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
