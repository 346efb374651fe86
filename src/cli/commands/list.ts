/** `openmv-bridge list`: the cameras that are plugged in. */
import type { Command } from 'commander';
import { type DiscoveryOptions, listCameras, listPorts, type PortInfo } from '../../port/index.js';
import { withOutput } from '../command.js';

/** The cameras, or with `all` every serial port. */
export function portsToList(all: boolean, options: DiscoveryOptions = {}): Promise<PortInfo[]> {
  return all ? listPorts(options) : listCameras(options);
}

export function addListCommand(program: Command): void {
  program
    .command('list')
    .description('cameras found')
    .option('--all', 'every serial port, not only those of cameras')
    .option('--json', 'one JSON object a line')
    .action((flags: { all?: boolean; json?: boolean }) =>
      withOutput(flags.json, async (output) => {
        const ports = await portsToList(flags.all ?? false);
        if (output.json) {
          for (const port of ports) output.line(port);
          return undefined;
        }
        if (ports.length === 0) {
          const what = flags.all ? 'serial port' : 'camera';
          output.log('info', `No ${what} found. Plug one in, or try \`openmv-bridge --port virtual\`.`);
        }
        for (const port of ports) {
          const words = [
            port.path,
            port.board ?? (port.isCamera ? 'unknown board' : 'no camera'),
            port.serialNumber,
            port.byId,
          ];
          output.text(`${words.filter((word) => word !== undefined && word !== '').join('  ')}\n`);
        }
        return undefined;
      }),
    );
}
