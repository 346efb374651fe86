/** Pictures for triggers: one frame each, with its number, taken after it. */
import { afterEach, describe, expect, it } from 'vitest';
import { pause } from '../../../src/async.js';
import type { BridgeEvent } from '../../../src/bridge/events.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import { connectCamera } from '../../../src/camera/index.js';
import { type Frame, sendTrigger } from '../../../src/frames/index.js';
import type { BridgeInput } from '../../../src/options/index.js';
import type { VirtualCameraInput } from '../../../src/virtual/index.js';
import { cameraOnCable } from '../../support/cable.js';

const open: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function bridgeWith(input: BridgeInput) {
  const bridge = await openBridge({ port: 'virtual', shm: false, ...input });
  open.push(() => bridge.close());
  const frames: Frame[] = [];
  const dropped: [string, number][] = [];
  bridge.events$.subscribe((event: BridgeEvent) => {
    if (event.type === 'dropped') dropped.push([event.reason, event.count]);
  });
  bridge.frames$.subscribe((frame) => frames.push(frame));
  await bridge.start();
  const ids = (): unknown[] => frames.map(({ triggerId }) => triggerId);
  return { bridge, frames, dropped, ids };
}

async function served(options: VirtualCameraInput = {}) {
  const plugged = await cameraOnCable(options);
  open.push(plugged.close);
  return plugged;
}

describe('triggers by the host', () => {
  it('each is one frame with its number, captured after it', async () => {
    const { bridge, frames, ids, dropped } = await bridgeWith({ trigger: 'host' });
    const asked: number[] = [];
    for (let number = 1; number <= 5; number++) {
      const before = Date.now();
      asked.push(await bridge.trigger());
      await expect.poll(() => frames.length).toBe(number);
      const { capturedAtMs = 0, capturedErrorMs = 0 } = frames.at(-1)!;
      expect(capturedAtMs + capturedErrorMs + 5).toBeGreaterThanOrEqual(before);
    }
    expect(asked).toEqual([1, 2, 3, 4, 5]);
    expect(ids()).toEqual(asked);
    // Nothing comes that was not asked for.
    await pause(300);
    expect([frames.length, dropped]).toEqual([5, []]);
  });

  it('those that come while a picture is taken wait, four of them; one more is refused, and no number is lost', async () => {
    const { bridge, frames, ids } = await bridgeWith({ trigger: 'host', virtual: { fps: 4 } });
    const results = await Promise.allSettled(Array.from({ length: 12 }, () => bridge.trigger()));
    const taken = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(refused.length).toBeGreaterThan(0);
    expect(new Set(refused.map(({ code }) => code))).toEqual(new Set(['CAMERA_REFUSED']));
    expect(taken.length).toBeGreaterThanOrEqual(4);
    expect(taken).toEqual(taken.map((_, at) => at + 1));
    await expect.poll(() => frames.length).toBe(taken.length);
    expect(await bridge.trigger()).toBe(taken.length + 1);
    await expect.poll(() => frames.length).toBe(taken.length + 1);
    expect(ids()).toEqual([...taken, taken.length + 1]);
  });

  it('each one is a frame, on a line that loses and damages packets', async () => {
    const { bridge, frames, ids } = await bridgeWith({
      trigger: 'host',
      virtual: { faults: 'drop=2%,flip=2%,double=2%,seed=3' },
    });
    for (let number = 1; number <= 20; number++) {
      await bridge.trigger();
      await expect.poll(() => frames.length).toBe(number);
    }
    expect(ids()).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
  });

  it('settings are changed in between, and a new frame size holds for the next trigger', async () => {
    const { bridge, frames, ids } = await bridgeWith({ trigger: 'host' });
    await bridge.trigger();
    await expect.poll(() => frames.length).toBe(1);
    await bridge.camera.controls.set({ quality: 40 });
    // A new size is proven by a capture, which no one gets.
    await bridge.camera.controls.set({ framesize: 'QQVGA' });
    await bridge.trigger();
    await expect.poll(ids).toEqual([1, 2]);
    expect(frames.map(({ width }) => width)).toEqual([320, 160]);
  });

  it('may be the first thing that is asked of a bridge', async () => {
    const bridge = await openBridge({ port: 'virtual', shm: false, trigger: 'host' });
    open.push(() => bridge.close());
    const [number, { value: frame }] = await Promise.all([bridge.trigger(), bridge.frames().next()]);
    expect(frame?.triggerId).toBe(number);
  });

  it('stopped and started, numbers go on', async () => {
    const { bridge, frames, ids } = await bridgeWith({ trigger: 'host' });
    await bridge.trigger();
    await expect.poll(() => frames.length).toBe(1);
    await bridge.stopStreaming();
    await expect(bridge.trigger()).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await bridge.startStreaming();
    expect(await bridge.trigger()).toBe(2);
    await expect.poll(ids).toEqual([1, 2]);
  });

  it('a camera that was away takes triggers again, also when it has forgotten all', async () => {
    const { camera, link, cable } = await served();
    const { bridge, frames, ids } = await bridgeWith({ trigger: 'host', port: link });
    await bridge.trigger();
    await expect.poll(() => frames.length).toBe(1);
    await cable.unplug();
    await expect.poll(() => bridge.state).toBe('reconnecting');
    await expect(bridge.trigger()).rejects.toMatchObject({ code: 'PORT_CLOSED' });
    camera.reset();
    await cable.plug();
    await expect.poll(() => bridge.state).toBe('streaming');
    expect(await bridge.trigger()).toBe(2);
    await expect.poll(ids).toEqual([1, 2]);
  });
});

describe('triggers by a pin', () => {
  it('each edge is one frame with its number; the other edge is none', async () => {
    const { camera, link } = await served();
    const { frames, ids } = await bridgeWith({ trigger: 'pin', port: link });
    for (let number = 1; number <= 4; number++) {
      camera.pin('P7', 1);
      await expect.poll(() => frames.length).toBe(number);
      camera.pin('P7', 0);
    }
    camera.pin('P8', 1);
    await pause(200);
    expect(ids()).toEqual([1, 2, 3, 4]);
  });

  it('levels that follow each other within microseconds lose no edge', async () => {
    const { camera, link } = await served({ fps: 'max' });
    const { frames } = await bridgeWith({ trigger: 'pin', port: link });
    const spin = (us: number): void => {
      for (const end = performance.now() + us / 1_000; performance.now() < end; );
    };
    for (let number = 1; number <= 500; number++) {
      // By then the script sleeps between two looks.
      await pause(4);
      camera.pin('P7', 0);
      spin(number % 60);
      camera.pin('P7', 1);
      await expect.poll(() => frames.length, { interval: 1 }).toBe(number);
    }
  });

  it('of another name, on the falling edge', async () => {
    const { camera, link } = await served();
    const { frames } = await bridgeWith({
      ...{ trigger: 'pin', triggerPin: 'D3', triggerEdge: 'falling', port: link },
    });
    camera.pin('D3', 1);
    camera.pin('D3', 0);
    await expect.poll(() => frames.length).toBe(1);
    await pause(200);
    expect(frames.length).toBe(1);
  });

  it('edges that come too fast are counted as missed, and the numbers show which', async () => {
    const { camera, link } = await served({ fps: 4 });
    const { frames, ids, dropped } = await bridgeWith({ trigger: 'pin', port: link });
    const pulse = async (): Promise<void> => {
      camera.pin('P7', 1);
      await pause(5);
      camera.pin('P7', 0);
      await pause(5);
    };
    for (let edge = 0; edge < 12; edge++) await pulse();
    // The frame after the gap shows it.
    const missed = (): number =>
      dropped.reduce((sum, [reason, count]) => sum + (reason === 'missed' ? count : 0), 0);
    while (missed() === 0) {
      await pause(1_000);
      await pulse();
    }
    expect(ids()).toEqual([...ids()].sort((a, b) => Number(a) - Number(b)));
    expect(Number(ids().at(-1))).toBe(frames.length + missed());
  });

  it('cannot be triggered by the host', async () => {
    const { bridge } = await bridgeWith({ trigger: 'pin' });
    await expect(bridge.trigger()).rejects.toMatchObject({ code: 'OPTION_INVALID' });
  });

  it('of a virtual camera that pulses its pins gives frames', async () => {
    const { frames, ids } = await bridgeWith({ trigger: 'pin', virtual: { pulseMs: 100 } });
    await expect.poll(() => frames.length).toBeGreaterThan(3);
    expect(ids().slice(0, 3)).toEqual([1, 2, 3]);
  });
});

describe('without triggers', () => {
  it('a trigger is an error that says what to do', async () => {
    const { bridge, frames } = await bridgeWith({});
    await expect(bridge.trigger()).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('all the time'),
    });
    await expect.poll(() => frames.length).toBeGreaterThan(2);
    expect(frames.every(({ triggerId }) => triggerId === undefined)).toBe(true);
  });

  it('a camera that a program before this one has left waiting for triggers takes pictures again', async () => {
    const { link } = await served();
    const first = await bridgeWith({ trigger: 'host', port: link });
    await first.bridge.trigger();
    await expect.poll(() => first.frames.length).toBe(1);
    await first.bridge.close();
    const { frames } = await bridgeWith({ port: link });
    await expect.poll(() => frames.length).toBeGreaterThan(3);
  });

  it('previews cannot be triggered', async () => {
    const opening = openBridge({ port: 'virtual', shm: false, source: 'preview', trigger: 'host' });
    await expect(opening).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });
});

describe('a picture that was triggered for another run, and waits', () => {
  it.each([
    ['comes with its capture time', 'deliver'],
    ['is given up', 'drop'],
  ] as const)('%s with stale %s', async (_what, stale) => {
    const { link } = await served();
    const first = await bridgeWith({ port: link, trigger: 'host' });
    await first.bridge.trigger();
    await expect.poll(() => first.frames.length, { timeout: 20_000 }).toBe(1);
    await first.bridge.close();
    const camera = await connectCamera({ port: link });
    await sendTrigger(camera, 'frame', 2);
    const channel = camera.channel('frame');
    await expect.poll(async () => (await channel.shape())[0], { timeout: 20_000 }).toBeGreaterThan(0);
    await camera.close();
    // Longer than a cable is loose for a moment.
    await pause(1_200);
    const leftAt = Date.now();
    const second = await bridgeWith({ port: link, trigger: 'host', stale });
    if (stale === 'deliver') {
      await expect.poll(() => second.frames.length, { timeout: 20_000 }).toBe(1);
      const [frame] = second.frames;
      expect(frame!.triggerId).toBe(undefined);
      expect(frame!.capturedAtMs! - frame!.capturedErrorMs!).toBeLessThan(leftAt);
    }
    const before = second.frames.length;
    expect(await second.bridge.trigger()).toBe(1);
    await expect.poll(() => second.frames.length, { timeout: 20_000 }).toBe(before + 1);
    const last = second.frames.at(-1)!;
    expect(last.triggerId).toBe(1);
    expect(last.capturedAtMs! + last.capturedErrorMs!).toBeGreaterThan(leftAt);
  });
});
