/** `openmv-bridge snapshot FILE`: one frame. */
import { rename, writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { firstValueFrom } from 'rxjs';
import { openBridge } from '../bridge/open-bridge.js';
import { BridgeError } from '../errors.js';
import { addCameraOptions, type CameraFlags, cameraInput } from './camera-options.js';
import { withOutput } from './command.js';

interface SnapshotFlags extends CameraFlags {
  port?: string;
  timeout: string;
}

export function addSnapshotCommand(program: Command): void {
  const command = program
    .command('snapshot')
    .description('save one frame')
    .argument('<file>', 'where to, or - for stdout')
    .option('--port <path>', 'the camera: a device path, auto, or virtual (default: auto)')
    .option('--timeout <s>', 'longest wait for the frame', '20');
  addCameraOptions(command).action((file: string, flags: SnapshotFlags) =>
    withOutput(false, async (output) => {
      const bridge = await openBridge({ ...cameraInput(flags, flags.port), shm: false, frames: 1 });
      const timer = setTimeout(() => void bridge.close(), Number(flags.timeout) * 1_000);
      try {
        const frame = await firstValueFrom(bridge.frames$).catch((cause: unknown) => {
          throw new BridgeError('CAMERA_SILENT', `No frame came within ${flags.timeout} s.`, { cause });
        });
        if (file === '-') process.stdout.write(frame.jpeg);
        else {
          await writeFile(`${file}.part`, frame.jpeg);
          await rename(`${file}.part`, file);
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
