/** `openmv-bridge virtual --link PATH`: a virtual camera on a pty, for any host program. */
import { once } from 'node:events';
import type { Command } from 'commander';
import { z } from 'zod';
import { virtualShape } from '../../options/index.js';
import { ownFlags, withOutput } from '../command.js';
import type { Output } from '../output.js';
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
      const stop = new AbortController();
      const stopListening = onStop(() => stop.abort());
      try {
        await serve(
          link,
          { ...given(), ...(number === undefined ? {} : { id: number }) },
          output,
          stop.signal,
        );
      } catch (error) {
        if (!stop.signal.aborted) throw error;
      } finally {
        stopListening();
      }
      return undefined;
    }),
  );
}

/** Until `signal` is aborted; rejects with its reason when that is before the camera is there. */
async function serve(
  link: string,
  options: Readonly<Record<string, unknown>>,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  const { openPty, openVirtualCamera, serveVirtualCamera } = await import('../../virtual/index.js');
  const camera = await openVirtualCamera(options, signal);
  try {
    const pty = await openPty(link);
    const stopServing = serveVirtualCamera(camera, pty);
    output.log('info', `virtual camera on ${link} (${pty.slavePath}); Ctrl-C ends it`);
    if (!signal.aborted) await once(signal, 'abort');
    stopServing();
    await pty.close();
  } finally {
    await camera.close();
  }
}
