/** The requests that switch the firmware's preview on and off (vendor: protocol/omv_protocol_channel_stream.c). */
import type { Camera, Channel } from '../camera/index.js';
import { encodeShape, encodeWord, StreamIoctl } from '../protocol/index.js';
import { isLoss } from './frame-reader.js';

export const PREVIEW_CHANNEL = 'stream';
const ATTEMPTS = 5;

/** Previews are pixels of frames up to this size; larger frames are made smaller by the camera. */
export interface RawPreview {
  readonly width: number;
  readonly height: number;
}

/**
 * From now on each snapshot of a script leaves a preview, and an event tells. What was there before is thrown away. It lasts
 * over scripts, but how it is made does not: the firmware goes back to its own choice at each start of its interpreter.
 */
export async function enablePreview(channel: Channel, raw?: RawPreview): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      if (raw) await channel.ioctl(StreamIoctl.RAW_CONFIG, encodeShape([raw.width, raw.height]));
      await channel.ioctl(StreamIoctl.RAW_ENABLE, encodeWord(raw ? 1 : 0));
      return await channel.ioctl(StreamIoctl.ENABLE, encodeWord(1));
    } catch (error) {
      // Doing it twice does no harm.
      if (!isLoss(error) || attempt >= ATTEMPTS) throw error;
    }
  }
}

/** Never rejects. */
export async function disablePreview(channel: Channel): Promise<void> {
  await channel.ioctl(StreamIoctl.ENABLE, encodeWord(0)).catch(() => undefined);
}

/** Whether a script takes pictures: the camera has a preview, which has to be enabled. */
export async function hasPreview(camera: Camera, signal?: AbortSignal): Promise<boolean> {
  return (await camera.channel(PREVIEW_CHANNEL).size(signal)) > 0;
}
