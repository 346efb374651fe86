/** A camera that is reset, until it answers again. */
import { within } from '../async.js';
import { type CameraInput, cameraOptionsSchema, parseOptions } from '../options/index.js';
import type { Camera, CameraInfo } from './camera.js';
import { ReconnectingCamera } from './reconnecting-camera.js';

/** How long a line may take to break. One that is no USB port, a UART or a pseudo-terminal, does not break. */
const BREAK_MS = 1_000;
/** Their pauses add up to 8 to 16 s. */
const ATTEMPTS = 8;

/**
 * Restarts a camera, which runs its main.py then, and connects to it until it answers: resolves to what it says of itself.
 * Or starts its bootloader, where it has no port: resolves to undefined. The camera is closed in any case. Ends in the
 * errors of `connectCamera`, or in `signal.reason`.
 */
export async function resetCamera(
  input: CameraInput,
  kind: 'reset' | 'bootloader',
  signal: AbortSignal,
): Promise<CameraInfo | undefined> {
  const again = new ReconnectingCamera(parseOptions(cameraOptionsSchema, input));
  const camera = await again.connect(signal);
  try {
    if (kind === 'reset') return (await restart(again, signal)).info();
    await resetAndLeave(camera, signal, kind);
    return undefined;
  } finally {
    await again.camera.close();
  }
}

/**
 * Tells a camera to restart; resolves when its line is over. One that does not break by itself is closed, but not at once: a camera
 * whose host has left may not read what it was told last.
 */
export async function resetAndLeave(
  camera: Camera,
  signal: AbortSignal,
  kind: 'reset' | 'bootloader' = 'reset',
): Promise<void> {
  await camera.reset(kind);
  await within(camera.ended, BREAK_MS, () => new Error('still there'), signal).catch(() =>
    signal.throwIfAborted(),
  );
  await camera.close();
}

/** Restarts a camera that is connected; resolves when it is connected again. */
export async function restart(again: ReconnectingCamera, signal: AbortSignal): Promise<Camera> {
  await resetAndLeave(again.camera, signal);
  return again.reconnect({ attempts: ATTEMPTS, signal, failed: () => undefined });
}
