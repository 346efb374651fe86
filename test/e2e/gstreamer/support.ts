/** What the tests with GStreamer share: frames, the processes that were started. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { type GstHandlers, type GstOptions, GstPipeline } from '../../../src/gstreamer/pipeline.js';

/** Starts a pipeline that has half a minute to finish. */
export function start(
  text: string,
  handlers: GstHandlers,
  options: Partial<GstOptions> = {},
): Promise<GstPipeline> {
  return GstPipeline.start(text, handlers, { finishMs: 30_000, ...options });
}

export async function jpeg(red: number): Promise<Uint8Array> {
  return sharp({ create: { width: 64, height: 48, channels: 3, background: { r: red, g: 90, b: 40 } } })
    .jpeg()
    .toBuffer();
}

/** Gives a pipeline `count` frames, each until it is taken. */
export async function feed(pipeline: GstPipeline, count: number): Promise<void> {
  const start = Date.now();
  for (let index = 0; index < count; index++) {
    const written = pipeline.stats.written;
    while (pipeline.running && pipeline.stats.written === written) {
      pipeline.offer({ jpeg: await jpeg(index * 8), width: 64, height: 48, timestampMs: start + 40 * index });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Process ids of the gst-launch-1.0 that this process has started. */
export function children(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const parent = stat.replace(/.*\) /, '').split(' ')[1];
        return parent === String(process.pid) && stat.includes('(gst-launch-1.0)');
      } catch {
        return false;
      }
    });
}

/** The times of what a pipeline gives, in milliseconds. */
export async function times(source: string): Promise<number[]> {
  const { stdout } = await promisify(execFile)(
    'gst-launch-1.0',
    ['-v', ...source.split(' '), '!', 'fakesink', 'silent=false', 'sync=false'],
    { maxBuffer: 2 ** 26 },
  );
  return [...stdout.matchAll(/chain .* pts: (\d+):(\d+):([\d.]+)/g)].map(([, hours, minutes, seconds]) =>
    Math.round((Number(hours) * 3_600 + Number(minutes) * 60 + Number(seconds)) * 1_000),
  );
}
