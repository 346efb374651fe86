/** VizionStreamer's commands for formats, streaming, the pipeline and shared memory (commands 1 to 6 and 21 to 23). */
import { z } from 'zod';
import { FRAME_SIZES, type PixelFormatName } from '../camera/controls-values.js';
import { BridgeError } from '../errors.js';
import { type Command, command, success, type Target } from './command.js';
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
  if (!target.bridge.streaming.active) return;
  throw new BridgeError('OPTION_INVALID', `${what} while streaming is active: send stop_stream first`);
}

const named = (width: number, height: number) =>
  FRAME_SIZES.find((size) => size.width === width && size.height === height);

export const streamCommands: readonly Command[] = [
  command({ name: 'get_formats', help: 'frame sizes, rate and formats' }, async (target) => {
    const { framerate } = await target.bridge.camera.controls.get();
    const measured = Math.round(target.stats?.framesPerSecond ?? 0);
    const rate = Math.max(USUAL_RATE, framerate ?? 0, measured);
    return {
      status: 'success',
      formats: LISTED_FORMATS.flatMap((format) =>
        FRAME_SIZES.map(({ width, height }) => ({ width, height, framerate: rate, format })),
      ),
    };
  }),
  command(
    {
      name: 'set_format',
      usage: 'width=W height=H [framerate=N] [format=MJPG|GREY|...]',
      help: 'frame size, rate and format; not while streaming',
      params: z.strictObject({
        width: whole(8, 5_000),
        height: whole(8, 5_000),
        framerate: whole(1, 1_000).optional(),
        format: choice(FORMATS).optional(),
      }),
    },
    async (target, { width, height, framerate, format }) => {
      refuseStreaming(target, 'The format cannot be changed');
      const { controls } = target.bridge.camera;
      if (framerate !== undefined) await controls.set({ framerate });
      await controls.set({
        framesize: named(width, height)?.name ?? { width, height },
        ...(format && { pixformat: pixelFormat(format) }),
      });
      return success('Format set successfully');
    },
  ),
  command(
    { name: 'start_stream', help: 'pull frames, and run the pipeline if there is one' },
    async ({ bridge }) => {
      await bridge.startStreaming();
      return success('Streaming started');
    },
  ),
  command(
    { name: 'stop_stream', help: 'stop pulling frames; the camera stays connected' },
    async ({ bridge }) => {
      await bridge.stopStreaming();
      return success('Streaming stopped');
    },
  ),
  command(
    {
      name: 'set_pipeline',
      usage: 'pipeline=TEXT',
      help: 'GStreamer pipeline of the next start; not while streaming; empty: none',
      params: z.strictObject({ pipeline: text(4_096, 0) }),
    },
    (target, { pipeline }) => {
      refuseStreaming(target, 'The pipeline cannot be changed');
      target.bridge.streaming.setPipeline(pipeline.trim() === '' ? null : pipeline);
      return success('Pipeline set successfully');
    },
  ),
  command({ name: 'get_status', help: 'whether frames are pulled, and the pipeline' }, ({ bridge }) => ({
    status: 'success',
    streaming: bridge.streaming.active,
    pipeline: bridge.streaming.pipeline ?? '',
    pipeline_running: bridge.streaming.pipelineRunning,
    pipeline_error: bridge.streaming.pipelineError?.message ?? null,
  })),
  command(
    {
      name: 'enable_shared_memory',
      usage: '[name=/NAME] [buffer_size=BYTES]',
      help: 'open the shared-memory segment; not while streaming',
      params: z.strictObject({
        name: text(255).default(SEGMENT_NAME),
        buffer_size: whole(4_096, 2 ** 31 - 1).default(SEGMENT_SIZE),
      }),
    },
    (target, { name, buffer_size: size }) => {
      refuseStreaming(target, 'Shared memory cannot be enabled');
      target.bridge.openSegment(name, size);
      return { ...success('Shared memory enabled'), name, size };
    },
  ),
  command({ name: 'disable_shared_memory', help: 'remove the shared-memory segment' }, ({ bridge }) => {
    bridge.closeSegment();
    return success('Shared memory disabled');
  }),
  command({ name: 'get_shared_memory_status', help: 'the shared-memory segment' }, ({ bridge }) => {
    const { segment } = bridge;
    return segment
      ? { status: 'success', shared_memory_enabled: true, name: segment.name, size: segment.size }
      : { status: 'success', shared_memory_enabled: false };
  }),
];
