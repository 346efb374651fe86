/** Waits for what a script that runs on the camera gives frames by. */
import { pause } from '../async.js';
import type { Camera } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { disablePreview, enablePreview, hasPreview, PREVIEW_CHANNEL } from '../frames/index.js';
import type { ChannelEntry } from '../protocol/index.js';

/** Where a script's frames come from: its channel, or the firmware's preview. */
export type SourceKind = 'frame' | 'preview';

const LOOK_MS = 100;
/** How often the channels are asked for while the interpreter may be restarting. */
const ATTEMPTS = 5;
/** Below all ids. */
export const NONE = -1;

export interface Expected {
  /** How long to wait. */
  readonly ms: number;
  /** A stopped script's channel, which stays: only one with a higher id is meant. */
  readonly above?: number;
  /** A script that has ended ends the wait. */
  readonly whileRunning?: boolean;
  /** A preview counts as well, after so many milliseconds; default: never. */
  readonly previewAfter?: number;
  /** Any script that runs is what is waited for. */
  readonly anyScript?: boolean;
  readonly signal: AbortSignal;
}

/** What a script that runs has, as soon as it has it: the channel, or a preview. undefined: neither came in time. */
export async function appears(
  camera: Camera,
  name: string | undefined,
  expected: Expected,
): Promise<SourceKind | undefined> {
  const { ms, whileRunning = false, previewAfter = Number.POSITIVE_INFINITY, anyScript, signal } = expected;
  const begun = camera.clock.now();
  let { above = NONE } = expected;
  let enabled = false;
  let found: SourceKind | undefined;
  // Restarting the interpreter clears the table, and ids start from the first free one again.
  const events = camera.events$.subscribe(({ type }) => {
    if (type === 'rebooted') above = NONE;
  });
  try {
    for (;;) {
      const waited = camera.clock.now() - begun;
      try {
        camera.forgetChannels();
        const id = highest(await camera.channels(), name);
        above = Math.min(above, id);
        const running = await camera.running(signal);
        if (running && (id > above || anyScript)) {
          found = 'frame';
          return found;
        }
        if (running && waited >= previewAfter) {
          if (!enabled) await enablePreview(camera.channel(PREVIEW_CHANNEL));
          enabled = true;
          if (await hasPreview(camera, signal)) {
            found = 'preview';
            return found;
          }
        }
        if (waited >= ms || (whileRunning && !running)) return undefined;
      } catch (error) {
        // A restart of the interpreter or the link interrupts a question; the next one counts.
        const passing = error instanceof BridgeError && error.code !== 'PORT_CLOSED' && waited < ms;
        if (!passing) throw error;
      }
      await pause(LOOK_MS, signal, camera.clock);
    }
  } finally {
    events.unsubscribe();
    if (enabled && found !== 'preview') await disablePreview(camera.channel(PREVIEW_CHANNEL));
  }
}

/** The highest id of the channels of that name; `NONE`: there are none. */
export async function channelId(camera: Camera, name: string): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      camera.forgetChannels();
      return highest(await camera.channels(), name);
    } catch (error) {
      if (!(error instanceof BridgeError) || error.code !== 'CAMERA_REBOOTED' || attempt >= ATTEMPTS) {
        throw error;
      }
    }
  }
}

function highest(channels: readonly ChannelEntry[], name: string | undefined): number {
  return Math.max(NONE, ...channels.filter((channel) => channel.name === name).map(({ id }) => id));
}
