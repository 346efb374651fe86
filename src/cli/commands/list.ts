/** `openmv-bridge list`: the cameras that are plugged in. */
import type { Command } from 'commander';
import { z } from 'zod';
import { runOptionsSchema } from '../../options/index.js';
import { type DiscoveryOptions, listCameras, listPorts, type PortInfo } from '../../port/index.js';
import { ownFlags, withOutput } from '../command.js';
import { reportLine } from '../lines.js';

/** The cameras, or with `all` every serial port. */
export function portsToList(all: boolean, options: DiscoveryOptions = {}): Promise<PortInfo[]> {
  return all ? listPorts(options) : listCameras(options);
}

export function configure(command: Command): void {
  const given = ownFlags(command, {
    all: z.boolean().default(false).meta({
      flag: '--all',
      group: 'Options',
      description: 'every serial port, not only those of cameras',
    }),
    json: runOptionsSchema.shape.json,
  });
  command.action(() => {
    const { all, json } = given();
    return withOutput(json, async (output) => {
      const ports = await portsToList(all);
      if (output.json) {
        for (const port of ports) output.line(reportLine('port', port));
        return undefined;
      }
      if (ports.length === 0) {
        const what = all ? 'serial port' : 'camera';
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
    });
  });
}
