/** `openmv-bridge exec SCRIPT`: runs a script on the camera and follows its output. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { z } from 'zod';
import type { Camera } from '../../camera/index.js';
import { BridgeError } from '../../errors.js';
import { cameraFlags, withCamera, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { onStop } from '../stop-signals.js';

export function configure(command: Command): void {
  command.argument('<script>', 'a MicroPython file');
  const given = cameraFlags(command, {
    detach: z.boolean().default(false).meta({
      flag: '--detach',
      group: 'Options',
      description: 'start it and leave it running',
    }),
  });
  command.action((path: string) =>
    withOutput(false, async () => {
      const { camera: input, own } = given();
      const script = await readFile(path, 'utf8').catch((cause: unknown) => {
        throw new BridgeError('OPTION_INVALID', `The script ${path} cannot be read: ${String(cause)}.`, {
          cause,
        });
      });
      return withCamera(input, (camera) => follow(camera, script, own.detach));
    }),
  );
}

async function follow(camera: Camera, script: string, detach: boolean): Promise<number> {
  const stop = new AbortController();
  const stopListening = onStop(() => stop.abort());
  try {
    if (detach) await camera.exec(script);
    else await camera.run(script, { stop: stop.signal, onText: (text) => process.stdout.write(text) });
    return EXIT.done;
  } catch (error) {
    if (error instanceof BridgeError && error.code === 'SCRIPT_EXCEPTION') return EXIT.no;
    throw error;
  } finally {
    stopListening();
  }
}
