/** Commands that begin and end a recording while a bridge runs. */
import { resolve } from 'node:path';
import { z } from 'zod';
import { BridgeError } from '../errors.js';
import { type Command, command, none } from './command.js';
import { text } from './parameters.js';

/** Not at the top: a recording needs packages that nothing else does. */
const recording = () => import('../recording/index.js');

export const recordingCommands: readonly Command[] = [
  command(
    'start_recording',
    '[path=FILE|DIR]',
    'record the camera to a file; without a path, CAMERA-TIME.mcap where the bridge runs',
    z.strictObject({
      path: text(4_096).describe('a .mcap file, or a folder, where the bridge runs').optional(),
    }),
    async ({ bridge }, { path }) => {
      const { Recorder, recorderOf } = await recording();
      const running = recorderOf(bridge);
      if (running) {
        throw new BridgeError(
          'OPTION_INVALID',
          `The camera is being recorded to ${running.path}: send stop_recording first.`,
        );
      }
      const time = new Date().toISOString().replace(/[-:]/g, '').replace('T', '-').slice(0, 15);
      const recorder = await Recorder.start(bridge, resolve(path ?? `${bridge.cameraId}-${time}.mcap`));
      return { message: 'Recording started', path: recorder.path };
    },
  ),
  command(
    'stop_recording',
    '',
    'finish the recording; with it, of all cameras in the same file',
    none,
    async (target) => {
      const { recorderOf } = await recording();
      const recorder = recorderOf(target.bridge);
      if (!recorder) throw new BridgeError('OPTION_INVALID', 'The camera is not being recorded.');
      const { path } = recorder;
      const failure = await recorder.close();
      if (failure) throw failure;
      return { message: 'Recording finished', path };
    },
  ),
  command(
    'get_recording',
    '',
    'whether the camera is being recorded, and where; bytes of the file, frames lost, cameras in it',
    none,
    async ({ bridge, stats }) => {
      const { recorderOf } = await recording();
      const recorder = recorderOf(bridge);
      if (!recorder) return { recording: false, path: null };
      const { path, size: bytes, cameraIds: cameras } = recorder;
      return { recording: true, path, bytes, lost: stats?.sinks.recording?.lost ?? 0, cameras };
    },
  ),
];
