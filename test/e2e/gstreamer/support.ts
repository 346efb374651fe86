/** What the tests with GStreamer share: frames, the processes that were started. */
import { readdirSync, readFileSync } from 'node:fs';
import sharp from 'sharp';
import type { GstPipeline } from '../../../src/gstreamer/pipeline.js';

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
