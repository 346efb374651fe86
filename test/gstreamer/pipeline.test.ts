import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { BridgeError } from '../../src/errors.js';
import { GstPipeline, pipelineWords } from '../../src/gstreamer/pipeline.js';

const has = (...args: string[]): boolean => spawnSync('gst-inspect-1.0', args).status === 0;
const INSTALLED = has('jpegdec') && has('matroskademux') && has('videoconvert');
const X264 = INSTALLED && has('x264enc') && has('mp4mux');

const scratch = mkdtempSync(join(tmpdir(), 'openmv-gst-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

async function jpeg(red: number): Promise<Uint8Array> {
  return sharp({ create: { width: 64, height: 48, channels: 3, background: { r: red, g: 90, b: 40 } } })
    .jpeg()
    .toBuffer();
}

async function noise(): Promise<Uint8Array> {
  const pixels = Buffer.from(Uint8Array.from({ length: 640 * 480 * 3 }, (_, at) => (at * 7919) % 251));
  return sharp(pixels, { raw: { width: 640, height: 480, channels: 3 } })
    .jpeg({ quality: 95 })
    .toBuffer();
}

async function feed(pipeline: GstPipeline, count: number): Promise<void> {
  const start = Date.now();
  for (let index = 0; index < count; index++) {
    const written = pipeline.stats.written;
    while (pipeline.running && pipeline.stats.written === written) {
      pipeline.offer({ jpeg: await jpeg(index * 8), width: 64, height: 48, timestampMs: start + 40 * index });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

const unexpected = (error: BridgeError): void => {
  throw error;
};

describe('the words of a pipeline', () => {
  it('are split as a shell splits and given to no shell', () => {
    expect(pipelineWords("videoconvert ! filesink location='/tmp/a b; rm x'")).toEqual([
      'videoconvert',
      '!',
      'filesink',
      'location=/tmp/a b; rm x',
    ]);
  });

  it.each(['', '! fakesink', 'videoconvert !', "fakesink name='x"])('refuses %j', (text) => {
    expect(() => pipelineWords(text)).toThrow(/GStreamer pipeline/);
  });
});

describe('without GStreamer', () => {
  it('says which packages to install', async () => {
    const { PATH } = process.env;
    process.env['PATH'] = scratch;
    try {
      await expect(GstPipeline.start('fakesink', unexpected)).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringContaining('gstreamer1.0-tools'),
      });
    } finally {
      process.env['PATH'] = PATH;
    }
  });
});

describe.skipIf(!INSTALLED)('a pipeline (needs GStreamer with its base and good plugins)', () => {
  it('takes every frame into files, whole and in order', async () => {
    const pipeline = await GstPipeline.start(
      `videoconvert ! jpegenc quality=95 ! multifilesink location=${scratch}/f%03d.jpg`,
      unexpected,
    );
    await feed(pipeline, 20);
    await pipeline.close();
    const files = readdirSync(scratch).filter((name) => name.endsWith('.jpg'));
    expect(files).toHaveLength(20);
    for (const [index, name] of files.sort().entries()) {
      const { channels } = await sharp(readFileSync(join(scratch, name))).stats();
      expect(Math.abs(channels[0]!.mean - index * 8), name).toBeLessThan(6);
    }
  });

  it('runs into a fakesink and ends when it is told to', async () => {
    const pipeline = await GstPipeline.start('fakesink', unexpected);
    await feed(pipeline, 5);
    expect(pipeline.running).toBe(true);
    await pipeline.close();
    expect(pipeline.running).toBe(false);
    expect(pipeline.stats.written).toBe(5);
  });

  it('drops frames while it is busy', async () => {
    const pipeline = await GstPipeline.start('identity sleep-time=300000 ! fakesink sync=false', unexpected);
    const frame = {
      jpeg: await noise(),
      width: 640,
      height: 480,
    };
    for (let index = 0; index < 60; index++) {
      pipeline.offer({ ...frame, timestampMs: Date.now() });
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const { written, dropped } = pipeline.stats;
    expect(written + dropped).toBe(60);
    expect(dropped).toBeGreaterThan(10);
    await pipeline.close();
  });

  it.each([
    ['nosuchelement ! fakesink', 'UNSUPPORTED', /nosuchelement/],
    ['filesink location=/nonexistent/file', 'OPTION_INVALID', /Could not open file/],
    ['fakesink nosuchproperty=1', 'OPTION_INVALID', /nosuchproperty/],
  ])('reports when it starts what is wrong with: %s', async (text, code, message) => {
    await expect(GstPipeline.start(text, unexpected)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it('tells when it ends by itself', async () => {
    const failure = new Promise<BridgeError>((resolve) => {
      void GstPipeline.start('identity error-after=3 ! fakesink', resolve).then((pipeline) =>
        feed(pipeline, 10),
      );
    });
    const error = await failure;
    expect(error).toBeInstanceOf(BridgeError);
    expect(error.message).toMatch(/GStreamer pipeline ended/);
  });

  it.skipIf(!X264)('finishes an MP4 file (needs x264enc, from gstreamer1.0-plugins-ugly)', async () => {
    const path = join(scratch, 'out.mp4');
    const pipeline = await GstPipeline.start(
      `videoconvert ! x264enc ! mp4mux ! filesink location=${path}`,
      unexpected,
    );
    await feed(pipeline, 15);
    await pipeline.close();
    expect(statSync(path).size).toBeGreaterThan(1000);
    expect(readFileSync(path).includes('moov')).toBe(true);
  });
});
