/** `openmv-bridge list`: the cameras that are plugged in. */
import type { Command } from 'commander';
import { listCameras } from '../port/index.js';
import { withOutput } from './command.js';

export function addListCommand(program: Command): void {
  program
    .command('list')
    .description('cameras found')
    .option('--all', 'every serial port, not only those of cameras')
    .option('--json', 'one JSON object a line')
    .action((flags: { all?: boolean; json?: boolean }) =>
      withOutput(flags.json, async (output) => {
        const ports = (await listCameras()).filter((port) => flags.all || port.isCamera);
        if (output.json) {
          for (const port of ports) output.line(port);
          return undefined;
        }
        if (ports.length === 0) {
          output.log('info', 'No camera found. Plug one in, or try `openmv-bridge --port virtual`.');
        }
        for (const port of ports) {
          const words = [port.path, port.board ?? 'unknown board', port.serialNumber, port.byId];
          output.text(`${words.filter((word) => word !== undefined && word !== '').join('  ')}\n`);
        }
        return undefined;
      }),
    );
}
