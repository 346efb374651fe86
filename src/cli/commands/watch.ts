/** `openmv-bridge watch`: reads the shared memory as another program would. */
import type { Command } from 'commander';
import { BridgeError } from '../../errors.js';
import { configSchema } from '../../options/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { onStop, stopAsked } from '../stop-signals.js';
import { watchSegment } from '../watch-segment.js';

export function configure(command: Command): void {
  command.argument('[name]', 'a segment, a ring or an array', '/openmv_frame');
  const { durationMs, json } = configSchema.shape;
  const given = ownFlags(command, { durationMs, json });
  command.action((name: string) => {
    const flags = given();
    return withOutput(flags.json, async (output) => {
      const abort = new AbortController();
      const stopListening = onStop(() => abort.abort());
      const timer =
        flags.durationMs === undefined ? undefined : setTimeout(() => abort.abort(), flags.durationMs);
      try {
        const seen = await watchSegment(name, output, abort.signal);
        if (seen || stopAsked()) return EXIT.done;
      } finally {
        clearTimeout(timer);
        stopListening();
      }
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
