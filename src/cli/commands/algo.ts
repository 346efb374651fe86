/** `openmv-bridge algo ...`: algorithms without a camera. */
import type { Command } from 'commander';
import { addAlgoCheckCommand } from './algo-check.js';
import { addAlgoRunCommand } from './algo-run.js';

/** `algorithm`: the words behind `--`. */
export function addAlgoCommand(program: Command, algorithm: readonly string[]): void {
  const command = program
    .command('algo')
    .description('examine an algorithm, or run it on files; needs no camera');
  addAlgoCheckCommand(command, algorithm);
  addAlgoRunCommand(command, algorithm);
}
