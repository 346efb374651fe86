/** `openmv-bridge exec SCRIPT`: runs a script on the camera and follows its output. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { z } from 'zod';
import type { Camera } from '../../camera/index.js';
import { BridgeError } from '../../errors.js';
import { readProblem } from '../../files.js';
import { cameraFlags, withCamera, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { onStop } from '../stop-signals.js';

export function configure(command: Command): void {
  command.argument('[script]', 'a MicroPython file, or - for stdin');
  const given = cameraFlags(command, {
    code: z.string().min(1).optional().meta({
      flag: '--code CODE',
      short: '-c',
      group: 'Options',
      description: 'run this text instead of a file',
    }),
    detach: z.boolean().default(false).meta({
      flag: '--detach',
      group: 'Options',
      description: 'start it and leave it running',
    }),
  });
  command.action((path: string | undefined) =>
    withOutput(false, async () => {
      const { camera: input, own } = given();
      const script = await scriptOf(path, own.code);
      return withCamera(input, (camera) => follow(camera, script, own.detach));
    }),
  );
}

async function scriptOf(path: string | undefined, code: string | undefined): Promise<string> {
  if ((path === undefined) === (code === undefined)) {
    throw new BridgeError('OPTION_INVALID', 'Give either a script file, - for stdin, or the code with -c.');
  }
  return code === undefined ? readScript(path!) : `${code}\n`;
}

/** The text of a script; `-` stands for stdin. OPTION_INVALID: it cannot be read. */
export async function readScript(path: string): Promise<string> {
  if (path === '-') return text(process.stdin);
  return readFile(path, 'utf8').catch((cause: unknown) => {
    throw new BridgeError('OPTION_INVALID', `The script ${path} cannot be read: ${readProblem(cause)}.`, {
      cause,
    });
  });
}

async function follow(camera: Camera, script: string, detach: boolean): Promise<number> {
  const stop = new AbortController();
  const stopListening = onStop(() => stop.abort());
  try {
    if (detach) await camera.exec(script);
    else await camera.run(script, { stop: stop.signal, onText: (piece) => process.stdout.write(piece) });
    return EXIT.done;
  } catch (error) {
    if (error instanceof BridgeError && error.code === 'SCRIPT_EXCEPTION') return EXIT.no;
    throw error;
  } finally {
    stopListening();
  }
}
