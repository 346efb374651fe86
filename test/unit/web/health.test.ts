/** States in words: what is wrong, since when, and what to do. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BridgeEvent } from '../../../src/bridge/index.js';
import { BridgeError } from '../../../src/errors.js';
import { Health } from '../../../src/web/health.js';
import { FakeBridge } from '../../fakes/fake-bridge.js';

beforeEach(() => void vi.useFakeTimers({ now: new Date('2026-05-01T12:03:04') }));
afterEach(() => void vi.useRealTimers());

function watched(runner?: string): { fake: FakeBridge; health: Health } {
  const fake = new FakeBridge('cam', runner);
  const health = new Health(fake.bridge, () => undefined);
  fake.events$.subscribe((event: BridgeEvent) => health.event(event));
  fake.frames$.subscribe(() => health.frame());
  fake.outcomes$.subscribe((outcome) => health.outcome(outcome));
  health.look();
  return { fake, health };
}

describe('the camera', () => {
  it('that was pulled is gone since then', () => {
    const { fake, health } = watched();
    fake.frame();
    expect(health.reasons).toEqual([]);
    fake.state = 'reconnecting';
    fake.event({
      type: 'disconnected',
      code: 'PORT_CLOSED',
      message: 'The cable was pulled. Plug it in again.',
    });
    vi.advanceTimersByTime(60_000);
    expect(health.camera).toMatchObject({
      ok: false,
      state: 'reconnecting',
      text: 'The camera has been gone since 12:03:04: The cable was pulled.',
      advice: 'Plug it in again. It is looked for, and goes on by itself.',
      sinceMs: Date.now() - 60_000,
    });
    expect(health.reasons).toEqual([{ code: 'reconnecting', message: health.camera.text }]);
    fake.state = 'streaming';
    fake.event({ type: 'connected' });
    expect(health.camera).toMatchObject({ ok: true, text: 'Frames are coming.' });
  });

  it('that gives nothing while it is connected says so', () => {
    const { fake, health } = watched();
    fake.frame();
    vi.advanceTimersByTime(4_000);
    expect(health.camera.ok).toBe(true);
    vi.advanceTimersByTime(2_000);
    expect(health.camera).toMatchObject({
      state: 'still',
      text: 'No frame has come since 12:03:04, while the camera is connected.',
    });
    fake.frame();
    expect(health.camera.ok).toBe(true);
  });

  it.each([
    ['opening', 'The camera is being connected.'],
    ['preparing', 'Its script is being started.'],
    ['closed', 'The bridge has ended.'],
  ] as const)('%s: %s', (state, text) => {
    const { fake, health } = watched();
    fake.state = state;
    expect(health.camera).toMatchObject({ ok: false, state, text });
  });
});

describe('the algorithm', () => {
  it('that is started again says why, with its last words', () => {
    const { fake, health } = watched('python3 a.py');
    fake.frame();
    for (let n = 0; n < 30; n++) {
      fake.event({
        type: 'log',
        worker: 1,
        line: { level: 'error', message: `line ${n} ${'x'.repeat(1_000)}` },
      });
    }
    fake.event({
      type: 'error',
      error: new BridgeError('RUNNER_EXITED', 'The adapter ended with status 1.'),
    });
    fake.event({ type: 'runner', state: 'restarting' });
    const { algorithm } = health;
    expect(algorithm).toMatchObject({
      ok: false,
      state: 'restarting',
      text: 'The algorithm is being started again: The adapter ended with status 1.',
    });
    expect(algorithm!.log).toHaveLength(20);
    expect(algorithm!.log[19]).toMatch(/^line 29 /);
    expect(algorithm!.log[19]).toHaveLength(500);
    fake.event({ type: 'runner', state: 'ready' });
    expect(health.reasons).toEqual([]);
  });

  it('that runs and fails at every frame says so, until a verdict comes', () => {
    const { fake, health } = watched('python3 a.py');
    fake.event({ type: 'runner', state: 'ready' });
    const fail = () => fake.judge('failed', { error: new BridgeError('ALGORITHM_FAILED', 'No template.') });
    fail();
    vi.advanceTimersByTime(4_000);
    fail();
    expect(health.algorithm).toMatchObject({ ok: true, text: 'The algorithm is ready.' });
    vi.advanceTimersByTime(1_000);
    fake.judge('skipped');
    expect(health.algorithm).toMatchObject({
      ...{ ok: false, state: 'failing', sinceMs: Date.now() - 5_000 },
      text: 'The algorithm has given no verdict since 12:03:04; the last 2 calls have failed: No template.',
      advice: 'See what it said last.',
    });
    fake.frame();
    expect(health.reasons).toEqual([{ code: 'failing', message: health.algorithm!.text }]);
    fake.judge('ng');
    expect(health.reasons).toEqual([]);
  });

  it('that has failed for good says so', () => {
    const { fake, health } = watched('python3 a.py');
    fake.algorithmFailure = new BridgeError('RUNNER_EXITED', 'It crashed five times.');
    expect(health.algorithm).toMatchObject({
      state: 'failed',
      ok: false,
      text: 'The algorithm has failed for good: It crashed five times.',
    });
  });

  it('is nothing where there is none', () => {
    expect(watched().health.algorithm).toBe(null);
  });
});

it('what frames go to fails until it is said to work again', () => {
  const { fake, health } = watched();
  const full = new BridgeError('FILE_FAILED', 'The disk is full.');
  fake.event({ type: 'error', error: full, sink: 'files' });
  fake.event({ type: 'error', error: full });
  expect(health.failing).toMatchObject([
    { sink: 'files', code: 'FILE_FAILED', message: 'The disk is full.' },
  ]);
  fake.event({ type: 'recovered', sink: 'files', lost: 3 });
  expect(health.failing).toEqual([]);
  for (let n = 0; n < 50; n++) fake.event({ type: 'error', error: full });
  expect(health.errors).toHaveLength(20);
});
