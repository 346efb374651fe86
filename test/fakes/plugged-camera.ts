/** A virtual camera on a pty, which can be pulled out with its cable. */
import { cameraOnCable } from '../support/cable.js';

/** Plugs one in; returns how to pull it out, which does nothing the second time. */
export async function plugIn(
  path: string,
  virtual: Record<string, unknown> = {},
): Promise<() => Promise<void>> {
  return (await cameraOnCable({ fps: 100, ...virtual }, path)).close;
}
