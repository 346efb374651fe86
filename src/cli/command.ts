/** What the smaller subcommands share: a camera for the length of an action, and an orderly end. */
import { type Camera, connectCamera } from '../camera/camera.js';
import type { CameraInput } from '../camera/options.js';
import { asBridgeError } from '../errors.js';
import { EXIT, exitStatus } from './exit-status.js';
import { Output } from './output.js';

/** Runs an action and turns its error into words and an exit status. */
export async function withOutput(
  json: boolean | undefined,
  action: (output: Output) => Promise<number | undefined>,
): Promise<void> {
  const output = new Output({ json: json ?? false, level: 'info', quiet: false });
  try {
    process.exitCode = (await action(output)) ?? EXIT.done;
  } catch (error) {
    const known = asBridgeError(error);
    output.error(known);
    process.exitCode = exitStatus(known);
  }
}

/** Connects, acts, and closes whatever happens. */
export async function withCamera<T>(input: CameraInput, action: (camera: Camera) => Promise<T>): Promise<T> {
  const camera = await connectCamera(input);
  try {
    return await action(camera);
  } finally {
    await camera.close();
  }
}
