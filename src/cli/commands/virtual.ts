/** `openmv-bridge virtual --link PATH`: a virtual camera on a pty, for any host program. */
import type { Command } from 'commander';
import { z } from 'zod';
import { virtualShape } from '../../options/index.js';
import { ownFlags, withOutput } from '../command.js';
import { onStop } from '../stop-signals.js';

export function configure(command: Command): void {
  const text = z.string().min(1);
  const { id, ...shape } = virtualShape;
  const own = ownFlags(command, {
    link: text.meta({
      flag: '--link PATH',
      group: 'Options',
      description: 'symbolic link to make to the terminal, such as /tmp/cam',
      common: true,
    }),
    id: id.meta({
      flag: '--id N',
      group: 'Options',
      description: 'number of the camera, to tell several apart; default: 1',
      common: true,
    }),
  });
  const given = ownFlags(command, shape);
  command.action(() =>
    withOutput(false, async (output) => {
      const { link, id: number } = own();
      const { openPty, openVirtualCamera, serveVirtualCamera } = await import('../../virtual/index.js');
      const camera = await openVirtualCamera({ ...given(), ...(number === undefined ? {} : { id: number }) });
      const pty = await openPty(link).catch(async (error: unknown) => {
        await camera.close();
        throw error;
      });
      const stopServing = serveVirtualCamera(camera, pty);
      output.log('info', `virtual camera on ${link} (${pty.slavePath}); Ctrl-C ends it`);
      await new Promise<void>((resolve) => onStop(resolve));
      stopServing();
      await pty.close();
      await camera.close();
      return undefined;
    }),
  );
}
