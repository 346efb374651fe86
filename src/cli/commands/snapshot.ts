/** `openmv-bridge snapshot FILE`: one frame. */
import type { Command } from 'commander';
import { firstValueFrom } from 'rxjs';
import { openBridge } from '../../bridge/open-bridge.js';
import { BridgeError } from '../../errors.js';
import { writeWhole } from '../../files.js';
import { seconds } from '../arguments.js';
import { addCameraOptions, type CameraFlags, cameraInput } from '../camera-options.js';
import { withOutput } from '../command.js';

interface SnapshotFlags extends CameraFlags {
  port?: string;
  /** Milliseconds. */
  timeout?: number;
}

const TIMEOUT_MS = 20_000;
/** Names of stdout: opening it by such a one would begin a file anew that stdout was redirected to. */
const STDOUT = ['-', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'];

export function addSnapshotCommand(program: Command): void {
  const command = program
    .command('snapshot')
    .description('save one frame')
    .argument('<file>', 'where to, or - for stdout')
    .option('--port <path>', 'the camera: a device path, auto, or virtual (default: auto)')
    .option('--timeout <s>', 'longest wait for the frame (default: 20)', seconds);
  addCameraOptions(command).action((file: string, flags: SnapshotFlags) =>
    withOutput(false, async (output) => {
      const bridge = await openBridge({ ...cameraInput(flags, flags.port), shm: false, frames: 1 });
      const timeout = flags.timeout ?? TIMEOUT_MS;
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
