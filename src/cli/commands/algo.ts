/** `openmv-bridge algo ...`: algorithms without a camera. */
import type { Command } from 'commander';
import { configure as configureCheck } from './algo-check.js';
import { configure as configureReplay } from './algo-replay.js';
import { configure as configureRun } from './algo-run.js';

/** `algorithm`: the words behind `--`. */
export function configure(command: Command, algorithm: readonly string[]): void {
  configureCheck(command.command('check'), algorithm);
  configureRun(command.command('run'), algorithm);
  configureReplay(command.command('replay'), algorithm);
}
