/** `openmv-bridge install [SCRIPT]`: a script that the camera runs by itself after power-on. */
import type { Command } from 'commander';
import { z } from 'zod';
import { BridgeError } from '../../errors.js';
import { cameraFlags, withOutput } from '../command.js';
import { onStop } from '../stop-signals.js';
import { readScript } from './exec.js';

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
      const script = path === undefined ? undefined : await readScript(path);
      const { changeMain, installation, removal } = await import('../../camera/index.js');
      const stop = new AbortController();
      const stopListening = onStop(() => stop.abort());
      try {
        const change = own.undo ? removal : await installation({ script, channel: own.channel });
        await changeMain(camera, change, stop.signal);
        const state = change.channel === undefined ? 'it runs' : `its channel \`${change.channel}\` answers`;
        const said = own.undo
          ? 'main.py is what it was before, and the camera was reset.'
          : `main.py is installed, the camera was reset, and ${state}.`;
        output.log('info', said);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      } finally {
        stopListening();
      }
      return undefined;
    }),
  );
}
