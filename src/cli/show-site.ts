/** A run without cameras of its own: the page shows those of a site at a NATS server. */
import { openSiteCameras } from '../fleet/index.js';
import type { NatsClientOptions } from '../options/index.js';
import type { WebServer } from '../web/index.js';
import { EXIT } from './exit-status.js';
import type { Output } from './output.js';

/** Until `signal`. OPTION_INVALID. */
export async function showSite(
  web: WebServer,
  access: NatsClientOptions,
  output: Output,
  signal: AbortSignal,
): Promise<number> {
  output.log('info', `the page shows the cameras of the site ${access.site} at NATS`);
  const cameras = await openSiteCameras(access, {
    opened: (bridge, forward) => {
      output.log('info', `${bridge.cameraId} is there`);
      web.add(bridge, forward);
    },
    away: (error) => output.error(error),
  });
  try {
    await new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    return EXIT.done;
  } finally {
    await cameras.close();
  }
}
