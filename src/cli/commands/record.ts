/** `openmv-bridge record FILE`: a run that records, and shares nothing unless it is asked to. */
import type { Command } from 'commander';
import { configureRun } from './run.js';

export function configure(command: Command, algorithm: readonly string[]): void {
  command.argument('<file>', 'the recording, such as today.mcap');
  command.usage('FILE [--port PATH] [options] [-- ALGORITHM...]');
  configureRun(command, algorithm, (flags, record) => ({
    record,
    // Another run's segment may have the name.
    ...(Object.keys(flags).some((name) => name.startsWith('shm')) ? {} : { shm: false }),
    ...flags,
  }));
}
