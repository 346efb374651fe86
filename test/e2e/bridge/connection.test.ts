/** What a connection does with errors that no camera causes, and with ends that fall into a reconnection. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { pause } from '../../../src/async.js';
import type { Bridge } from '../../../src/bridge/bridge.js';
import { Connection } from '../../../src/bridge/connection.js';
import { createBridge, openBridge } from '../../../src/bridge/open-bridge.js';
import { BridgeError } from '../../../src/errors.js';
import { bridgeOptionsSchema } from '../../../src/options/index.js';
import { plugIn as plugVirtual } from '../../fakes/plugged-camera.js';

const atEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of atEnd.splice(0).reverse()) await end();
});

/** A virtual camera behind a pty; returns how to pull it out. */
async function plugIn(path: string): Promise<() => Promise<void>> {
  const pull = await plugVirtual(path);
  atEnd.push(pull);
  return pull;
}

function portPath(): string {
  const dir = mkdtempSync(join(tmpdir(), 'openmv-connection-'));
  atEnd.push(() => rmSync(dir, { recursive: true, force: true }));
  return join(dir, 'cam');
}

const kept = (bridge: Bridge): Bridge => {
  atEnd.push(() => bridge.close());
  return bridge;
};

describe('an error that another connection cannot cure', () => {
  it('closes the connection instead of reconnecting for ever', async () => {
    const told: string[] = [];
    const defective = { repairs: 0, run: () => Promise.reject(new TypeError('a defect')) };
    const connection = new Connection(
      bridgeOptionsSchema.parse({ port: 'virtual' }),
      { frame: defective, preview: defective, recorded: defective },
      {
        connected: () => told.push('connected'),
        source: (kind) => told.push(kind),
        waiting: ({ code }) => told.push(`waiting ${code}`),
        disconnected: () => told.push('disconnected'),
        ended: () => told.push('ended'),
        failed: ({ code }) => told.push(code),
        failedForGood: ({ code, message }) => told.push(`closed by ${code}: ${message}`),
      },
    );
    atEnd.push(() => connection.close());
    await connection.open();
    await connection.prepared();
    await connection.start(() => Promise.resolve()).catch(() => undefined);
    await expect.poll(() => connection.state).toBe('closed');
    expect(told).toEqual(['connected', 'closed by INTERNAL: a defect']);
  });
});

describe('the end of a run while the camera is away', () => {
  it('by its duration ends the reconnection, and nothing is opened afterwards', async () => {
    const port = portPath();
    const pull = await plugIn(port);
    const bridge = kept(createBridge({ port, shm: false, durationMs: 1_500 }));
    let connections = 0;
    bridge.events$.subscribe(({ type }) => type === 'connected' && connections++);
    await bridge.start();
    await pull();
    await expect.poll(() => bridge.state, { timeout: 10_000 }).toBe('reconnecting');
    await bridge.done;
    await plugIn(port);
    await pause(300);
    expect(connections).toBe(1);
    expect(bridge.state).toBe('closed');
  });
});

describe('nothing is lost before someone listens', () => {
  it('frames are pulled from the first subscription on, and none is lost with several bridges', async () => {
    const bridges = await Promise.all(
      [1, 2].map((id) => openBridge({ port: 'virtual', shm: false, frames: 20, virtual: { id, fps: 200 } })),
    );
    await pause(300);
    const seen = await Promise.all(
      bridges.map(async (bridge) => {
        const sequences: number[] = [];
        const events: string[] = [];
        kept(bridge).events$.subscribe(({ type }) => events.push(type));
        bridge.frames$.subscribe(({ sequence }) => sequences.push(sequence));
        await bridge.done;
        return { sequences, events };
      }),
    );
    for (const { sequences, events } of seen) {
      expect(sequences).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
      expect(events[0]).toBe('connected');
    }
  });

  it('the latest connected is replayed to late subscribers', async () => {
    const bridge = kept(await openBridge({ port: 'virtual', shm: false }));
    const first: string[] = [];
    bridge.events$.subscribe(({ type }) => first.push(type));
    await pause(50);
    const late: string[] = [];
    bridge.events$.subscribe(({ type }) => late.push(type));
    expect([first[0], late[0]]).toEqual(['connected', 'connected']);
  });

  it('a bridge that pulls nothing for two seconds says so once', async () => {
    const warnings: string[] = [];
    const listen = (warning: Error & { code?: string }): void => void warnings.push(warning.code ?? '');
    process.on('warning', listen);
    atEnd.push(() => process.off('warning', listen));
    kept(await openBridge({ port: 'virtual', shm: false }));
    await expect.poll(() => warnings, { timeout: 10_000 }).toContain('OPENMV_BRIDGE_IDLE');
    await pause(500);
    expect(warnings.filter((code) => code === 'OPENMV_BRIDGE_IDLE')).toHaveLength(1);
  });
});

describe('frames() as an async iterable', () => {
  it('gives every frame, and the next one waits at the camera', async () => {
    const bridge = kept(createBridge({ port: 'virtual', shm: false, frames: 6, virtual: { fps: 'max' } }));
    void bridge.start();
    const seen: number[] = [];
    for await (const frame of bridge.frames()) {
      seen.push(frame.sequence);
      await pause(30);
      // At most the one that was under way.
      expect(bridge.stats().delivered - frame.sequence).toBeLessThanOrEqual(1);
    }
    expect(seen).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('throws when the bridge cannot go on', async () => {
    const port = portPath();
    const pull = await plugIn(port);
    const bridge = kept(createBridge({ port, shm: false, reconnect: false }));
    void bridge.start().catch(() => undefined);
    const reading = (async () => {
      for await (const frame of bridge.frames()) if (frame.sequence === 3) await pull();
    })();
    await expect(reading).rejects.toBeInstanceOf(BridgeError);
  });
});

it('a frame is announced when its file is complete', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'openmv-saved-'));
  atEnd.push(() => rmSync(dir, { recursive: true, force: true }));
  const bridge = kept(createBridge({ port: 'virtual', shm: false, save: dir, frames: 3 }));
  const complete: boolean[] = [];
  bridge.frames$.subscribe((frame) => {
    complete.push(frame.file !== null && readdirSync(dir).some((name) => frame.file!.endsWith(name)));
  });
  await bridge.start();
  await bridge.done;
  expect(complete).toEqual([true, true, true]);
});
