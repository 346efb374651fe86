/** `openmv-bridge version`: which program this is, and on what it runs. */
import { arch, release } from 'node:os';
import type { Command } from 'commander';
import { packageVersion } from '../../package.js';

export function configure(command: Command): void {
  command.action(() => {
    const system = `${process.platform} ${release()} ${arch()}`;
    process.stdout.write(`openmv-bridge ${packageVersion()}, Node ${process.version}, ${system}\n`);
  });
}
