/** `openmv-bridge watch`: reads the shared memory as another program would. */
import type { Command } from 'commander';
import { BridgeError } from '../../errors.js';
import { configSchema, natsClientShape } from '../../options/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { nothingCame, remoteCamera } from '../remote-camera.js';
import { onStop, stopAsked } from '../stop-signals.js';
import { watchCamera } from '../watch-camera.js';
import { watchSegment } from '../watch-segment.js';

export function configure(command: Command): void {
  command.argument(
    '[name]',
    'a segment, a ring or an array, or nats://HOST:PORT/[SITE/]CAMERA',
    '/openmv_frame',
  );
  const { durationMs, json } = configSchema.shape;
  const { nats: _url, ...access } = natsClientShape;
  const given = ownFlags(command, { durationMs, json, ...access });
  command.action((name: string) => {
    const { durationMs: ms, json: lines, ...reach } = given();
    return withOutput(lines, async (output) => {
      const remote = remoteCamera(name);
      const abort = new AbortController();
      const stopListening = onStop(() => abort.abort());
      const timer = ms === undefined ? undefined : setTimeout(() => abort.abort(), ms);
      try {
        const seen = remote
          ? await watchCamera(remote, reach, output, abort.signal)
          : await watchSegment(name, output, abort.signal);
        if (seen || stopAsked()) return EXIT.done;
      } finally {
        clearTimeout(timer);
        stopListening();
      }
      if (remote) output.error(nothingCame({ site: reach.site, ...remote }));
      else
        output.error(
          new BridgeError(
            'SHM_NOT_FOUND',
            `Nothing was seen of ${name}: no program wrote it. Start one, such as openmv-bridge, or name another segment.`,
          ),
        );
      return EXIT.port;
    });
  });
}
