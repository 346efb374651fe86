/** `openmv-bridge list`: the cameras that are plugged in. */
import type { Command } from 'commander';
import { z } from 'zod';
import { BridgeError } from '../../errors.js';
import { runOptionsSchema } from '../../options/index.js';
import {
  type DiscoveryOptions,
  listCameras,
  listPorts,
  openSerialPort,
  type PortInfo,
  probeCamera,
} from '../../port/index.js';
import { ownFlags, withOutput } from '../command.js';
import { reportLine } from '../lines.js';

/** A port, and the version of its camera's firmware when that is too old. */
export interface ListedPort extends PortInfo {
  readonly firmware?: string;
}

/** The cameras, or with `all` every serial port. Cameras that no program uses are asked whether their firmware is too old. */
export async function portsToList(all: boolean, options: DiscoveryOptions = {}): Promise<ListedPort[]> {
  const ports = await (all ? listPorts(options) : listCameras(options));
  return Promise.all(
    ports.map(async (port) => {
      const firmware = port.isCamera ? await oldFirmware(port.path) : undefined;
      return firmware === undefined ? port : { ...port, firmware };
    }),
  );
}

async function oldFirmware(path: string): Promise<string | undefined> {
  try {
    await (await probeCamera(await openSerialPort({ path }))).close();
  } catch (error) {
    // A port that cannot be opened is listed all the same.
    if (error instanceof BridgeError && error.code === 'FIRMWARE_TOO_OLD') {
      return String(error.context['firmware']);
    }
  }
  return undefined;
}

/** One port as a line of words. */
export function portText({ path, board, isCamera, serialNumber, byId, firmware }: ListedPort): string {
  const old =
    firmware && `firmware ${firmware} is too old: connect it in OpenMV IDE, which offers the update to 5.x`;
  const words = [path, board ?? (isCamera ? 'unknown board' : 'no camera'), serialNumber, byId, old];
  return words.filter((word) => word !== undefined && word !== '').join('  ');
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
      for (const port of ports) output.text(`${portText(port)}\n`);
      return undefined;
    });
  });
}
