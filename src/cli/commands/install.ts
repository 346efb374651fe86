/** `openmv-bridge install [SCRIPT]`: a script that the camera runs by itself after power-on. */
import type { Command } from 'commander';
import { z } from 'zod';
import { BridgeError } from '../../errors.js';
import { packageFile } from '../../package.js';
import { cameraFlags, withOutput } from '../command.js';
import { onStop } from '../stop-signals.js';
import { readScript } from './exec.js';

const BUNDLED_CHANNEL = 'frame';

export function configure(command: Command): void {
  command.argument('[script]', 'a MicroPython file, or - for stdin; default: the bundled frame_channel.py');
  const given = cameraFlags(command, {
    undo: z.boolean().default(false).meta({
      flag: '--undo',
      group: 'Options',
      description: 'put back what main.py was before, or remove it where there was none',
    }),
    channel: z.string().min(1).max(13).optional().meta({
      flag: '--channel NAME',
      group: 'Options',
      description:
        'wait until SCRIPT has this channel; default: until it runs, and the bundled one has frame',
    }),
  });
  command.action((path: string | undefined) =>
    withOutput(false, async (output) => {
      const { camera, own } = given();
      if (own.undo && (path !== undefined || own.channel !== undefined)) {
        throw new BridgeError('OPTION_INVALID', 'Give --undo alone: it takes no script and no channel.');
      }
      const script = own.undo ? '' : await readScript(path ?? packageFile('firmware/frame_channel.py'));
      const { install, uninstall } = await import('../../camera/index.js');
      const stop = new AbortController();
      const stopListening = onStop(() => stop.abort());
      try {
        if (own.undo) {
          await uninstall(camera, stop.signal);
          output.log('info', 'main.py is what it was before, and the camera was reset.');
        } else {
          const channel = own.channel ?? (path === undefined ? BUNDLED_CHANNEL : undefined);
          await install(camera, script, { channel, signal: stop.signal });
          const state = channel === undefined ? 'it runs' : `its channel \`${channel}\` answers`;
          output.log('info', `main.py is installed, the camera was reset, and ${state}.`);
        }
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      } finally {
        stopListening();
      }
      return undefined;
    }),
  );
}
