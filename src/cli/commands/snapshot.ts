/** `openmv-bridge snapshot FILE`: one frame. */
import type { Command } from 'commander';
import { firstValueFrom } from 'rxjs';
import { openBridge } from '../../bridge/index.js';
import { BridgeError } from '../../errors.js';
import { writeWhole } from '../../files.js';
import { milliseconds } from '../../options/index.js';
import { cameraFlags, withOutput } from '../command.js';

/** Names of stdout: opening it by such a one would begin a file anew that stdout was redirected to. */
const STDOUT = ['-', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'];

export function configure(command: Command): void {
  command.argument('<file>', 'where to, or - for stdout');
  const given = cameraFlags(command, {
    timeoutMs: milliseconds.default(20_000).meta({
      flag: '--timeout TIME',
      group: 'Options',
      description: 'longest wait for the frame',
      unit: 's',
    }),
  });
  command.action((file: string) =>
    withOutput(false, async (output) => {
      const { camera, own } = given();
      const timeout = own.timeoutMs;
      const bridge = await openBridge({ ...camera, shm: false, frames: 1 });
      const timer = setTimeout(() => void bridge.close(), timeout);
      try {
        const frame = await firstValueFrom(bridge.frames$).catch((cause: unknown) => {
          const old = bridge.stats().droppedByReason.stale
            ? ' The picture that it had taken before was let go: it was not one of now.'
            : '';
          throw new BridgeError('CAMERA_SILENT', `No frame came within ${timeout / 1_000} s.${old}`, {
            cause,
          });
        });
        if (STDOUT.includes(file)) process.stdout.write(frame.jpeg);
        else {
          await writeWhole('The snapshot cannot be written', file, frame.jpeg);
          output.log('info', `${file}: ${frame.width} x ${frame.height}, ${frame.bytes} bytes`);
        }
      } finally {
        clearTimeout(timer);
        await bridge.close();
      }
      return undefined;
    }),
  );
}
