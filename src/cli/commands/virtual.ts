/** `openmv-bridge virtual --link PATH`: a virtual camera on a pty, for any host program. */
import type { Command } from 'commander';
import { wholeNumber } from '../arguments.js';
import { addVirtualOptions, type CameraFlags, virtualInput } from '../camera-options.js';
import { withOutput } from '../command.js';
import { onStop } from '../stop-signals.js';

interface VirtualFlags extends CameraFlags {
  link: string;
  id?: number;
}

export function addVirtualCommand(program: Command): void {
  const command = program
    .command('virtual')
    .description('serve a virtual camera on a pseudo-terminal')
    .requiredOption('--link <path>', 'symbolic link to make to the terminal, such as /tmp/cam')
    .option(
      '--id <n>',
      'number of the camera, to tell several apart (default: 1)',
      wholeNumber(0, 2 ** 32 - 1),
    );
  addVirtualOptions(command).action((flags: VirtualFlags) =>
    withOutput(false, async (output) => {
      const { openPty, openVirtualCamera, serveVirtualCamera } = await import('../../virtual/index.js');
      const camera = await openVirtualCamera({ ...virtualInput(flags), id: flags.id ?? 1 });
      const pty = await openPty(flags.link).catch(async (error: unknown) => {
        await camera.close();
        throw error;
      });
      const stopServing = serveVirtualCamera(camera, pty);
      output.log('info', `virtual camera on ${flags.link} (${pty.slavePath}); Ctrl-C ends it`);
      await new Promise<void>((resolve) => onStop(resolve));
      stopServing();
      await pty.close();
      await camera.close();
      return undefined;
    }),
  );
}
