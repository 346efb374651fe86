/** The connection that frames are pulled from: its channel, and what is known of what is latched there. */
import type { Camera } from '../camera/camera.js';
import type { Channel } from '../camera/channel.js';
import { BridgeError } from '../errors.js';
import { isLoss } from './frame-reader.js';
import type { Latch, LatchReader } from './latch.js';

export interface Source {
  readonly camera: Camera;
  readonly channel: Channel;
  readonly latch: LatchReader;
  /** Of the camera's channel table when the channel was last looked up. */
  generation: number;
  channelId: number;
  /** Of the link when the latch was last looked at. */
  session: number;
  /** Events of the channel so far. */
  events: number;
  /** Whether what is latched may have waited for long before this connection. */
  old: boolean;
}

/** Finds the channel again after the camera's channels may have changed. CHANNEL_MISSING. */
export async function findChannel(source: Source): Promise<void> {
  const { generation } = source.camera;
  if (source.generation === generation) return;
  const id = await source.channel.id();
  if (id !== source.channelId) source.latch.forget();
  source.channelId = id;
  source.generation = generation;
}

/**
 * Asks what may have changed without a word: another channel may have the name, and a stopped script's channel
 * answers as if it lived. CHANNEL_MISSING when no script runs.
 */
export async function makeSure({ camera, channel }: Source): Promise<void> {
  camera.forgetChannels();
  if (!(await camera.running())) throw scriptEnded(channel.name);
}

/** A stopped script's channels stay and answer, but no frame comes any more. */
export function scriptEnded(channel: string): BridgeError {
  return new BridgeError(
    'CHANNEL_MISSING',
    `No script runs on the camera: the one that made its channel \`${channel}\` has been stopped or has ended, so no more frames come. Run the script again, or let one be sent.`,
    { context: { channel, running: false } },
  );
}

/**
 * Reads the last byte for the sake of the latch alone; whether it is known to be open now. A refusal means that it
 * was open already.
 */
export async function release(source: Source, latch: Latch): Promise<boolean> {
  source.old = false;
  const { channel, session } = source;
  try {
    await channel.readInto(new Uint8Array(1), latch.size - 1, [{ from: 0, to: 1 }], session);
    return true;
  } catch (error) {
    if (!(error instanceof BridgeError) || (error.code !== 'CAMERA_REFUSED' && !isLoss(error))) throw error;
    return error.code === 'CAMERA_REFUSED';
  }
}
