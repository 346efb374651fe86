import { describe, expect, it } from 'vitest';
import { RestartPolicy } from '../../../src/runner/restart-policy.js';

const figures = { backoffMinMs: 100, backoffMaxMs: 5_000, crashWindowMs: 60_000, crashLimit: 5 };

describe('RestartPolicy', () => {
  it('doubles the wait and gives up at the fifth crash within a minute', () => {
    const policy = new RestartPolicy(figures);
    expect([0, 1, 2, 3, 4].map((at) => policy.crashed(at))).toEqual([100, 200, 400, 800, undefined]);
  });

  it('goes on for ever when crashes are far apart, waiting at most five seconds', () => {
    const policy = new RestartPolicy(figures);
    const waits = Array.from({ length: 12 }, (_, n) => policy.crashed(n * 20_000));
    expect(waits.slice(0, 4)).toEqual([100, 200, 400, 800]);
    expect(waits.slice(6)).toEqual([5_000, 5_000, 5_000, 5_000, 5_000, 5_000]);
  });

  it('starts again after a result, but still counts crashes within the minute', () => {
    const policy = new RestartPolicy(figures);
    const waits = [0, 1, 2, 3, 4].map((at) => {
      const wait = policy.crashed(at);
      policy.succeeded();
      return wait;
    });
    expect(waits).toEqual([100, 100, 100, 100, undefined]);
    policy.reset();
    expect(policy.crashed(5)).toBe(100);
  });

  it('forgets crashes that are a whole window old', () => {
    const policy = new RestartPolicy({ ...figures, crashLimit: 2 });
    expect(policy.crashed(0)).toBe(100);
    expect(policy.crashed(60_000)).toBe(200);
    expect(policy.crashed(119_999)).toBeUndefined();
  });
});
