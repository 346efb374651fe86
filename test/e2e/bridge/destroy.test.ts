/** Closing a bridge in each state and at each wait: everything settles at once, and nothing is left. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { pause } from '../../../src/async.js';
import type { Bridge } from '../../../src/bridge/bridge.js';
import { createBridge, openBridge } from '../../../src/bridge/open-bridge.js';
import { connectCamera } from '../../../src/camera/camera.js';
import type { BridgeInput } from '../../../src/options/index.js';
import { openPty, type PtyMaster } from '../../../src/virtual/line/pty.js';
import { FakeCamera } from '../../fakes/fake-camera.js';
import { fakeJpeg } from '../../fakes/jpeg.js';
import { LatchedChannel } from '../../fakes/latched-channel.js';
import { cameraOnCable } from '../../support/cable.js';

const ADAPTER = fileURLToPath(new URL('../runner/fixtures/adapter.mjs', import.meta.url));
const PACED = fileURLToPath(new URL('../program/adapters/paced.mjs', import.meta.url));
/** Far more than the 100 ms that a close may take, for a machine that does other work; far less than any wait in here. */
const AT_ONCE_MS = 1_500;

const atEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of atEnd.splice(0).reverse()) await end();
});

// What a process keeps after its first pty and its first virtual camera: a listener for its exit, a file of the binding.
beforeAll(async () => {
  await (await openPty(join(scratch(), 'first'))).close();
  await (await openBridge({ port: 'virtual', shmName: shmName() })).close();
});

interface Holdings {
  readonly files: number;
  readonly resources: string[];
  readonly timers: number;
  readonly listeners: number;
  readonly sharedMemory: string[];
  readonly children: string[];
}

/** What this process holds: descriptors, timers and other resources, listeners, shared memory, children. */
function holdings(): Holdings {
  const own = (name: string): boolean => name.includes(`_${process.pid}`) || name.includes(`-${process.pid}`);
  const active = process.getActiveResourcesInfo();
  return {
    files: readdirSync('/proc/self/fd').length,
    resources: active.filter((name) => name !== 'Timeout').sort(),
    timers: active.filter((name) => name === 'Timeout').length,
    listeners: process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0),
    sharedMemory: readdirSync('/dev/shm').filter(own).sort(),
    children: readdirSync('/proc/self/task').flatMap((thread) => {
      try {
        return readFileSync(`/proc/self/task/${thread}/children`, 'utf8').split(' ').filter(Boolean);
      } catch {
        return [];
      }
    }),
  };
}

/** Plugs a fake camera into a pty; `answer` false: nothing behind it. */
async function plugIn(path: string, fake: FakeCamera | undefined): Promise<PtyMaster> {
  const pty = await openPty(path);
  if (fake) {
    fake.start({ data: (bytes) => void pty.write(bytes), closed: () => undefined });
    pty.onData((bytes) => fake.write(bytes));
  } else pty.onData(() => undefined);
  atEnd.push(async () => {
    await fake?.close();
    await pty.close();
  });
  return pty;
}

function scratch(): string {
  const dir = mkdtempSync(join(tmpdir(), 'openmv-destroy-'));
  atEnd.push(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

const shmName = (): string => `/openmv_destroy_${process.pid}`;

/** Brings a bridge to the wait in question. */
type Scene = () => Promise<{ readonly bridge: Bridge; readonly pending: readonly Promise<unknown>[] }>;

/** Of this process at rest. */
async function held(): Promise<Holdings> {
  await pause(20);
  return holdings();
}

async function expectNothingLeft(before: Holdings): Promise<void> {
  // A Worker, a child and a serial port are gone a moment after their close has resolved.
  let after = await held();
  for (let looks = 0; looks < 250 && !isDeepStrictEqual(after, before); looks++) {
    after = await held();
    // The test runner's own timers come and go.
    if (after.timers < before.timers) after = { ...after, timers: before.timers };
  }
  expect(after).toEqual(before);
}

const state = (bridge: Bridge, wanted: Bridge['state']) =>
  expect.poll(() => bridge.state, { timeout: 20_000, interval: 2 }).toBe(wanted);

/** A fake camera on a pty, and a bridge that has begun to start. */
async function onPty(
  set: (fake: FakeCamera) => void,
  options: BridgeInput = {},
): Promise<{ bridge: Bridge; starting: Promise<void>; fake: FakeCamera; pty: PtyMaster; port: string }> {
  const port = join(scratch(), 'cam');
  const fake = new FakeCamera('usb');
  set(fake);
  const pty = await plugIn(port, fake);
  const bridge = createBridge({ port, shmName: shmName(), ack: 'off', script: false, ...options });
  const starting = bridge.start();
  starting.catch(() => undefined);
  return { bridge, starting, fake, pty, port };
}

/** Loses every answer to that opcode, from its second packet on where `after` says so. */
const without = (opcode: number, after = 0) => {
  let seen = 0;
  return (fake: FakeCamera): void => {
    fake.damage = (packet, direction) =>
      direction === 'to-host' && packet[5] === opcode && seen++ >= after ? undefined : packet;
  };
};

const frames = (fake: FakeCamera, captures: number): LatchedChannel =>
  new LatchedChannel(fake, { style: 'numbered', capture: (n) => fakeJpeg(n, 20_000), captures });

const scenes: Record<string, Scene> = {
  'not started': async () => ({ bridge: createBridge({ port: 'virtual' }), pending: [] }),
  'port lookup': async () => {
    const bridge = createBridge({ port: 'auto', wait: true });
    return { bridge, pending: [bridge.start()] };
  },
  'waiting for a port': async () => {
    const bridge = createBridge({ port: '/dev/does-not-exist', wait: true });
    const pending = [bridge.start()];
    await expect.poll(() => bridge.state).toBe('opening');
    await pause(50);
    return { bridge, pending };
  },
  opening: async () => {
    const bridge = createBridge({ port: 'virtual' });
    return { bridge, pending: [bridge.start()] };
  },
  probing: async () => {
    const { bridge, starting } = await onPty(without(0x00));
    await pause(100);
    return { bridge, pending: [starting] };
  },
  SYNC: async () => {
    const { bridge, starting } = await onPty(without(0x00, 1));
    await pause(200);
    expect(bridge.state).toBe('opening');
    return { bridge, pending: [starting] };
  },
  caps: async () => {
    const { bridge, starting } = await onPty(without(0x01));
    await pause(200);
    expect(bridge.state).toBe('opening');
    return { bridge, pending: [starting] };
  },
  'version and identity': async () => {
    const { bridge, starting } = await onPty(without(0x12));
    await pause(200);
    expect(bridge.state).toBe('opening');
    return { bridge, pending: [starting] };
  },
  'looking for the channel': async () => {
    const { bridge, starting } = await onPty(() => undefined);
    await state(bridge, 'preparing');
    return { bridge, pending: [starting] };
  },
  'script upload': async () => {
    const bridge = createBridge({ port: 'virtual', shmName: shmName(), virtual: { script: null } });
    const pending = [bridge.start()];
    await state(bridge, 'preparing');
    await pause(20);
    return { bridge, pending };
  },
  'first frame': async () => {
    const { bridge, starting } = await onPty((fake) => void frames(fake, 0));
    await state(bridge, 'streaming');
    return { bridge, pending: [starting] };
  },
  'frame under way': async () => {
    const { bridge, starting, fake } = await onPty((one) => void frames(one, 1));
    fake.damage = (packet, direction) => (direction === 'to-host' && packet[5] === 0x26 ? undefined : packet);
    await state(bridge, 'streaming');
    await pause(100);
    return { bridge, pending: [starting] };
  },
  'reconnection wait': async () => {
    const { bridge, pty } = await onPty((fake) => void frames(fake, 5));
    await state(bridge, 'streaming');
    pty.hangUp();
    await state(bridge, 'reconnecting');
    return { bridge, pending: [] };
  },
  'reconnection attempt': async () => {
    const { bridge, pty, port } = await onPty((fake) => void frames(fake, 5));
    await state(bridge, 'streaming');
    rmSync(port);
    pty.hangUp();
    await state(bridge, 'reconnecting');
    const silent = await plugIn(port, undefined);
    let asked = false;
    silent.onData(() => (asked = true));
    await expect.poll(() => asked, { timeout: 20_000 }).toBe(true);
    return { bridge, pending: [] };
  },
  paused: async () => ({ bridge: await openBridge({ port: 'virtual', shmName: shmName() }), pending: [] }),
  'script replacement': async () => {
    const bridge = await openBridge({ port: 'virtual', shmName: shmName() });
    return { bridge, pending: [bridge.execScript('while True: pass\n')] };
  },
  'reset of the camera': async () => {
    const bridge = await openBridge({ port: 'virtual', shmName: shmName() });
    const pending = [bridge.resetCamera()];
    await state(bridge, 'reconnecting');
    return { bridge, pending };
  },
  'installed script awaited': async () => {
    const { link, close } = await cameraOnCable({ fps: 30 });
    atEnd.push(close);
    const bridge = await openBridge({ port: link, shmName: shmName() });
    let connected = 0;
    bridge.events$.subscribe(({ type }) => type === 'connected' && connected++);
    const pending = [bridge.installScript({ script: 'while True: pass\n', channel: 'absent' })];
    await expect.poll(() => connected, { timeout: 20_000 }).toBe(2);
    await state(bridge, 'paused');
    return { bridge, pending };
  },
  'stopping while a frame is awaited': async () => {
    const { bridge, starting, fake } = await onPty((one) => void frames(one, 1));
    await starting;
    await state(bridge, 'streaming');
    fake.damage = (packet, direction) => (direction === 'to-host' ? undefined : packet);
    await pause(50);
    return { bridge, pending: [bridge.stopStreaming(), bridge.startStreaming()] };
  },
  'waiting for one frame': async () => {
    const { bridge, starting } = await onPty((fake) => void frames(fake, 0), { streaming: false });
    await starting;
    return { bridge, pending: [bridge.nextFrame(60_000), bridge.nextFrame(60_000)] };
  },
  'algorithm start': async () => {
    const bridge = createBridge({
      port: 'virtual',
      shmName: shmName(),
      runner: [process.execPath, ADAPTER, 'silent'],
    });
    const pending = [bridge.start()];
    await expect.poll(() => holdings().children.length, { timeout: 20_000 }).toBeGreaterThan(0);
    return { bridge, pending };
  },
  'a name of shared memory is in other hands': async () => {
    const path = `/dev/shm${shmName()}`;
    const bridge = createBridge({ port: 'virtual', shmName: shmName() });
    let code = '';
    bridge.events$.subscribe((event) => {
      if (event.type === 'error') code = event.error.code;
    });
    await bridge.start();
    rmSync(path);
    writeFileSync(path, 'theirs');
    atEnd.push(() => rmSync(path));
    await expect.poll(() => code, { timeout: 20_000 }).toBe('SHM_IN_USE');
    return { bridge, pending: [] };
  },
  'algorithm busy': () => withBusyAlgorithm({}),
  'last outcome awaited': () => withBusyAlgorithm({ frames: 1 }),
};

/** An algorithm that works on its first frame for a minute. */
async function withBusyAlgorithm(options: BridgeInput): ReturnType<Scene> {
  const bridge = createBridge({
    port: 'virtual',
    shmName: shmName(),
    runner: [process.execPath, PACED, '60000'],
    supervision: { shutdownMs: 100, killMs: 100 },
    ...options,
  });
  let frame = false;
  bridge.frames$.subscribe(() => (frame = true));
  const pending = [bridge.start()];
  await expect.poll(() => frame, { timeout: 20_000 }).toBe(true);
  return { bridge, pending };
}

describe('close while', () => {
  it.each(Object.keys(scenes))('%s', async (name) => {
    const before = await held();
    const { bridge, pending } = await scenes[name]!();
    const settled = Promise.allSettled([...pending, bridge.done]);
    const began = performance.now();
    await bridge.close();
    await settled;
    const ms = performance.now() - began;
    await expectClosed(bridge);
    // The other end of the line is the test's own.
    for (const end of atEnd.splice(0).reverse()) await end();
    await expectNothingLeft(before);
    expect(ms).toBeLessThan(AT_ONCE_MS);
  });
});

/** At moments that no scene names. */
describe('an AbortSignal, at any moment of the start', () => {
  const moments = [0, 1, 3, 10, 30, 60, 100, 150, 250, 400, 700];

  it.each(moments)('openBridge, after %i ms', async (ms) => {
    const before = await held();
    const why = new Error('enough');
    const abort = new AbortController();
    const input = { port: 'virtual', shmName: shmName(), virtual: { script: null } };
    const opening = openBridge({ ...input, signal: abort.signal });
    opening.catch(() => undefined);
    await pause(ms);
    abort.abort(why);
    const ended = await opening.then(
      (bridge) => bridge.done,
      (error: unknown) => error,
    );
    expect(ended === why || ended === undefined).toBe(true);
    await expectNothingLeft(before);
  });

  it.each([0, 1, 5, 20, 60])('connectCamera, after %i ms', async (ms) => {
    const before = await held();
    const why = new Error('enough');
    const abort = new AbortController();
    const connecting = connectCamera({ port: 'virtual', signal: abort.signal });
    connecting.catch(() => undefined);
    await pause(ms);
    abort.abort(why);
    const camera = await connecting.catch((error: unknown) => {
      expect(error).toBe(why);
      return undefined;
    });
    await camera?.close();
    await expectNothingLeft(before);
  });
});

async function expectClosed(bridge: Bridge): Promise<void> {
  expect(bridge.state).toBe('closed');
  const closed = { code: 'BRIDGE_CLOSED' };
  await expect(bridge.startStreaming()).rejects.toMatchObject(closed);
  await expect(bridge.stopStreaming()).rejects.toMatchObject(closed);
  await expect(bridge.nextFrame(10)).rejects.toMatchObject(closed);
  await expect(bridge.execScript('print(1)')).rejects.toMatchObject(closed);
  await expect(bridge.stopScript()).rejects.toMatchObject(closed);
  await expect(bridge.resetCamera()).rejects.toMatchObject(closed);
  await expect(bridge.uninstallScript()).rejects.toMatchObject(closed);
  await expect(bridge.openSegment(shmName(), 8_192)).rejects.toMatchObject(closed);
  await expect(bridge.closeSegment()).rejects.toMatchObject(closed);
  expect(() => bridge.setPipeline(null)).toThrow(expect.objectContaining(closed));
}
