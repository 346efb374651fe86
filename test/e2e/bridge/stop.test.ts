/** Bridge.stop(): the end in order, at moments where something is under way. */
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import type { FrameOutcome } from '../../../src/bridge/events.js';
import { createBridge } from '../../../src/bridge/open-bridge.js';
import type { BridgeInput } from '../../../src/options/index.js';

const SLOW = fileURLToPath(new URL('../program/adapters/slow.mjs', import.meta.url));
const bridges: Bridge[] = [];
afterEach(async () => {
  await Promise.all(bridges.splice(0).map((bridge) => bridge.close({ signal: AbortSignal.abort() })));
});

let gates = 0;
/** A bridge whose algorithm works on its first frame until the gate, a file, is there. */
async function inCall(options: BridgeInput = {}) {
  const gate = join(tmpdir(), `openmv-stop-${process.pid}-${gates++}`);
  const bridge = createBridge({
    port: 'virtual',
    shm: false,
    runner: [process.execPath, SLOW, gate],
    ...options,
  });
  bridges.push(bridge);
  const outcomes: FrameOutcome[] = [];
  let frames = 0;
  bridge.outcomes$.subscribe((outcome) => outcomes.push(outcome));
  bridge.frames$.subscribe(() => frames++);
  const begun = new Promise<string>((resolve) => {
    bridge.events$.subscribe(
      (event) => event.type === 'log' && event.line.text.startsWith('call') && resolve(event.line.text),
    );
  });
  await bridge.start();
  // With `latest` the frames that came while it loaded were passed over.
  const sequence = Number((await begun).split(' ')[1]);
  const called = () => outcomes.find(({ frame }) => frame.sequence === sequence);
  return { bridge, outcomes, called, sequence, frames: () => frames, open: () => writeFile(gate, '') };
}

describe('stop', () => {
  it.each(['latest', 'every'] as const)(
    'with delivery %s: the call under way ends, every frame has one outcome',
    async (delivery) => {
      const { bridge, outcomes, called, sequence, frames, open } = await inCall({ delivery });
      // With `every` that is the last one until the call ends.
      await expect.poll(frames, { timeout: 20_000 }).toBeGreaterThan(sequence);
      const stopping = bridge.stop();
      const before = frames();
      expect(bridge.streaming).toBe(false);
      const stopped = { code: 'BRIDGE_CLOSED' };
      await expect(bridge.startStreaming()).rejects.toMatchObject(stopped);
      await expect(bridge.nextFrame(1)).rejects.toMatchObject(stopped);
      await open();
      await Promise.all([stopping, bridge.stop(), bridge.done]);
      expect(frames()).toBe(before);
      expect(called()).toMatchObject({ outcome: 'ok' });
      expect(outcomes.filter(({ outcome }) => outcome === 'skipped').at(-1)).toMatchObject({
        reason: 'closed',
      });
      expect(outcomes.map(({ frame }) => frame.sequence).sort((a, b) => a - b)).toEqual(
        Array.from({ length: before }, (_, index) => index + 1),
      );
      expect(bridge.stats().algorithm).toMatchObject({ ok: 1, failed: 0, pending: 0 });
      expect(bridge.state).toBe('closed');
    },
  );

  it('is cut short by close', async () => {
    const { bridge, called } = await inCall();
    const stopping = bridge.stop();
    await bridge.close({ signal: AbortSignal.abort() });
    await Promise.all([stopping, bridge.done]);
    expect(called()).toMatchObject({
      outcome: 'failed',
      result: { error: { code: 'RUNNER_EXITED' } },
    });
  });

  it('of a bridge that was not opened, or is opening, closes it', async () => {
    const never = createBridge({ port: 'virtual', shm: false });
    await never.stop();
    await expect(never.start()).rejects.toMatchObject({ code: 'BRIDGE_CLOSED' });

    const opening = createBridge({ port: '/nowhere/at/all', wait: true, shm: false });
    const opened = expect(opening.open()).rejects.toMatchObject({ code: 'BRIDGE_CLOSED' });
    await opening.stop();
    await opened;
    await never.done;
    await opening.done;
  });

  it('without an algorithm ends at once', async () => {
    const bridge = createBridge({ port: 'virtual', shm: false });
    await bridge.start();
    await bridge.stop();
    await bridge.done;
    expect(bridge.state).toBe('closed');
  });
});
