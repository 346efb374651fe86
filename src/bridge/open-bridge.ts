/** The two ways to a bridge. */

import type { BridgeInput } from '../options/index.js';
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
