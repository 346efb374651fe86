/** A virtual camera on a pty, which can be pulled out and plugged in again as a cable can. */
import { rmSync } from 'node:fs';
import { openVirtualCamera, serveVirtualCamera } from '../../src/virtual/index.js';
import { openPty } from '../../src/virtual/line/pty.js';

/** Plugs one in; returns how to pull it out, which does nothing the second time. */
export async function plugIn(
  path: string,
  virtual: Record<string, unknown> = {},
): Promise<() => Promise<void>> {
  const camera = await openVirtualCamera({ fps: 100, ...virtual });
  const pty = await openPty(path);
  const stop = serveVirtualCamera(camera, pty);
  let plugged = true;
  return async () => {
    if (!plugged) return;
    plugged = false;
    // The number of a closed pty is given to the next one: it must not be found under the old name.
    rmSync(path, { force: true });
    stop();
    pty.hangUp();
    await pty.close();
    await camera.close();
  };
}
