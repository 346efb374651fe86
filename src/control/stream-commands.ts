/** VizionStreamer's commands for formats, streaming, the pipeline and shared memory (commands 1 to 6 and 21 to 23). */
import { z } from 'zod';
import type { PixelFormatName } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { type Command, command, none, type Target } from './command.js';
import { choice, text, whole } from './parameters.js';

/** VizionStreamer's own segment. */
const SEGMENT_NAME = '/vizion_frame';
const SEGMENT_SIZE = 8_294_528;
/** Formats that `set_format` takes, and what the sensor is set to: frames are delivered as JPEGs in each case. */
const FORMATS = ['MJPG', 'YUY2', 'UYVY', 'NV12', 'BGR', 'RGB', 'GREY'] as const;
const pixelFormat = (format: (typeof FORMATS)[number]): PixelFormatName =>
  format === 'GREY' ? 'grayscale' : 'rgb565';
const LISTED_FORMATS = ['MJPG', 'GREY'];
/** What a sensor can be taken to reach: a limit that is set, or a scene that is dark, does not take it away. */
const USUAL_RATE = 30;

function refuseStreaming(target: Target, what: string): void {
  if (!target.bridge.streaming) return;
  throw new BridgeError('OPTION_INVALID', `${what} while streaming is active: send stop_stream first`);
}

/** Not at the top: `ctl` knows all commands and needs no camera. */
const frameSizes = async () => (await import('../camera/index.js')).FRAME_SIZES;

const formatParams = z.strictObject({
  width: whole(8, 5_000).describe('pixels'),
  height: whole(8, 5_000).describe('pixels'),
  framerate: whole(1, 1_000).describe('frames per second at most').optional(),
  format: choice(FORMATS).optional(),
});
const segmentParams = z.strictObject({
  name: text(255).default(SEGMENT_NAME).describe('name of the segment'),
  buffer_size: whole(4_096, 2 ** 31 - 1)
    .default(SEGMENT_SIZE)
    .describe('bytes'),
});

export const streamCommands: readonly Command[] = [
  command('get_formats', '', 'frame sizes, rate and formats', none, async (target) => {
    const { framerate } = await target.bridge.camera.controls.get();
    const measured = Math.round(target.stats?.framesPerSecond ?? 0);
    const rate = Math.max(USUAL_RATE, framerate ?? 0, measured);
    const sizes = await frameSizes();
    const formats = LISTED_FORMATS.flatMap((format) =>
      sizes.map(({ width, height }) => ({ width, height, framerate: rate, format })),
    );
    return { formats };
  }),
  command(
    'set_format',
    'width=W height=H [framerate=N] [format=MJPG|GREY|...]',
    'frame size, rate and format; not while streaming',
    formatParams,
    async (target, { width, height, framerate, format }) => {
      refuseStreaming(target, 'The format cannot be changed');
      const { controls } = target.bridge.camera;
      const named = (await frameSizes()).find((size) => size.width === width && size.height === height);
      if (framerate !== undefined) await controls.set({ framerate });
      await controls.set({
        framesize: named?.name ?? { width, height },
        ...(format && { pixformat: pixelFormat(format) }),
      });
      return 'Format set successfully';
    },
  ),
  command(
    'start_stream',
    '',
    'pull frames, and run the pipeline if there is one',
    none,
    async ({ bridge }) => {
      await bridge.startStreaming();
      return 'Streaming started';
    },
  ),
  command('stop_stream', '', 'stop pulling frames; the camera stays connected', none, async ({ bridge }) => {
    await bridge.stopStreaming();
    return 'Streaming stopped';
  }),
  command(
    'set_pipeline',
    'pipeline=TEXT',
    'GStreamer pipeline of the next start; not while streaming; empty: none',
    z.strictObject({ pipeline: text(4_096, 0).describe('as gst-launch-1.0 takes it; empty: none') }),
    (target, { pipeline }) => {
      refuseStreaming(target, 'The pipeline cannot be changed');
      target.bridge.setPipeline(pipeline.trim() === '' ? null : pipeline);
      return 'Pipeline set successfully';
    },
  ),
  command('get_status', '', 'whether frames are pulled, and the pipeline', none, ({ bridge }) => ({
    streaming: bridge.streaming,
    pipeline: bridge.pipeline.text ?? '',
    pipeline_running: bridge.pipeline.running,
    pipeline_error: bridge.pipeline.error?.message ?? null,
  })),
  command(
    'enable_shared_memory',
    '[name=/NAME] [buffer_size=BYTES]',
    'open the shared-memory segment; not while streaming',
    segmentParams,
    async (target, { name, buffer_size: size }) => {
      refuseStreaming(target, 'Shared memory cannot be enabled');
      await target.bridge.openSegment(name, size);
      return { message: 'Shared memory enabled', name, size };
    },
  ),
  command('disable_shared_memory', '', 'remove the shared-memory segment', none, async ({ bridge }) => {
    await bridge.closeSegment();
    return 'Shared memory disabled';
  }),
  command('get_shared_memory_status', '', 'the shared-memory segment', none, ({ bridge: { segment } }) =>
    segment
      ? { shared_memory_enabled: true, name: segment.name, size: segment.size }
      : { shared_memory_enabled: false },
  ),
];
