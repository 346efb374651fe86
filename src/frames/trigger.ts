/** Triggers of the bundled script (firmware/README.md): a number written to its frame channel, which its frame's header has. */
import type { Camera } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { isLoss } from './frame-reader.js';

/** Numbers are 1 to 65,535, and then 1 again; 0: no trigger. */
const NUMBERS = 0xffff;
/** A number that comes twice is one trigger: a request whose answer was lost can be repeated. */
const ATTEMPTS = 4;

export const nextTrigger = (number: number): number => (number % NUMBERS) + 1;

/** How far number `to` is behind number `from`; negative: before it, as of a script that started again. */
export function triggersBetween(from: number, to: number): number {
  const ahead = (to - from + NUMBERS) % NUMBERS;
  return ahead > NUMBERS >> 1 ? ahead - NUMBERS : ahead;
}

/**
 * Resolves when the camera's script has the trigger. CAMERA_REFUSED: too many wait for their picture; CAMERA_SILENT,
 * CAMERA_PROTOCOL, CAMERA_REBOOTED: it is not known whether it has it; CHANNEL_MISSING, PORT_CLOSED.
 */
export async function sendTrigger(
  camera: Camera,
  channelName: string,
  number: number,
  signal?: AbortSignal,
): Promise<void> {
  const channel = camera.channel(channelName);
  const { restarts } = camera;
  for (let attempt = 1; ; attempt++) {
    try {
      return await channel.write(Uint8Array.of(number & 0xff, number >> 8), 0, signal);
    } catch (error) {
      if (isLoss(error) && attempt < ATTEMPTS && camera.restarts === restarts) continue;
      if (!(error instanceof BridgeError) || error.code !== 'CAMERA_REFUSED') throw error;
      throw new BridgeError(
        'CAMERA_REFUSED',
        'The camera takes no more triggers now: as many as it keeps wait for their picture. Trigger again when a frame has come.',
        { context: error.context, cause: error },
      );
    }
  }
}
