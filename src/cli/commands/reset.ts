/** `openmv-bridge reset`: restarts a camera, or its bootloader. */
import type { Command } from 'commander';
import { z } from 'zod';
import { versionText } from '../../protocol/index.js';
import { cameraFlags, withOutput } from '../command.js';
import { onStop } from '../stop-signals.js';

export function configure(command: Command): void {
  const given = cameraFlags(command, {
    bootloader: z.boolean().default(false).meta({
      flag: '--bootloader',
      group: 'Options',
      description: 'start the bootloader, which takes new firmware, and not main.py',
    }),
  });
  command.action(() =>
    withOutput(false, async (output) => {
      const { camera, own } = given();
      const { resetCamera } = await import('../../camera/index.js');
      const stop = new AbortController();
      const stopListening = onStop(() => stop.abort());
      try {
        const info = await resetCamera(camera, own.bootloader ? 'bootloader' : 'reset', stop.signal);
        const text = info
          ? `The camera ${info.cameraId} on ${info.port} was reset and answers: firmware ${versionText(info.version.firmware)}.`
          : 'The camera was told to start its bootloader. Update it with OpenMV IDE, or plug it in again.';
        output.log('info', text);
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      } finally {
        stopListening();
      }
      return undefined;
    }),
  );
}
