/** `openmv-bridge watch`: reads the shared memory as another program would. */
import type { Command } from 'commander';
import { BridgeError } from '../../errors.js';
import { seconds } from '../arguments.js';
import { withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { onStop, stopAsked } from '../stop-signals.js';
import { watchSegment } from '../watch-segment.js';

export function addWatchCommand(program: Command): void {
  program
    .command('watch')
    .description('show what is in a shared-memory segment: rate, age, drops, sizes')
    .argument('[name]', 'a segment, a ring or an array', '/openmv_frame')
    .option('--duration <s>', 'stop after that many seconds', seconds)
    .option('--json', 'one JSON object a line')
    .action((name: string, flags: { duration?: number; json?: boolean }) =>
      withOutput(flags.json, async (output) => {
        const abort = new AbortController();
        const stopListening = onStop(() => abort.abort());
        const timer =
          flags.duration === undefined ? undefined : setTimeout(() => abort.abort(), flags.duration);
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
      }),
    );
}
