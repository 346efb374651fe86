/** The two ways to a bridge. */

import { randomUUID } from 'node:crypto';
import { type BridgeInput, bridgeOptionsSchema } from '../options/index.js';
import { Bridge } from './bridge.js';
import type { BridgeSettings, StartOptions } from './bridge-life.js';

/**
 * Makes a bridge that has opened nothing yet: subscribe first, then `start()`. OPTION_INVALID.
 */
export function createBridge(input: BridgeInput = {}, settings: BridgeSettings = {}): Bridge {
  return new Bridge(input, settings);
}

/**
 * Connects to a camera, makes sure that its frame script runs, opens shared memory and starts the algorithm. Frames are
 * pulled from the first subscription to `frames$`, `results$` or `outcomes$` on, from the first iteration, or from
 * `start()`. The signal closes the bridge, also later. Ends as `Bridge.open` does.
 */
export async function openBridge({ signal, ...input }: BridgeInput & StartOptions = {}): Promise<Bridge> {
  const bridge = createBridge(input);
  await bridge.open({ signal });
  return bridge;
}

/**
 * Opens several cameras at the same time, as one run. Resolves to their bridges in the order of `inputs`; when one cannot
 * be opened the others are closed, and it ends as `Bridge.open` does for the first that failed. Without a `shmName` the
 * second camera's segment has `_2` behind its name, and so on.
 */
export async function openBridges(
  inputs: readonly BridgeInput[],
  { signal, runId = randomUUID() }: BridgeSettings & StartOptions = {},
): Promise<Bridge[]> {
  const bridges = inputs.map((input, index) => {
    const first = bridgeOptionsSchema.shape.shmName.parse(undefined);
    const shmName = index === 0 ? first : `${first}_${index + 1}`;
    return createBridge({ shmName, ...input }, { runId });
  });
  try {
    await Promise.all(bridges.map((bridge) => bridge.open({ signal })));
    return bridges;
  } catch (error) {
    await Promise.all(bridges.map((bridge) => bridge.close()));
    throw error;
  }
}
