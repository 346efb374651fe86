import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { type GstHandlers, pipelineWords } from '../../../src/gstreamer/pipeline.js';
import { needs } from '../../support/needs.js';
import { children, feed, jpeg, start, times } from './support.js';

const scratch = mkdtempSync(join(tmpdir(), 'openmv-gst-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
});

async function noise(): Promise<Uint8Array> {
  const pixels = Buffer.from(Uint8Array.from({ length: 640 * 480 * 3 }, (_, at) => (at * 7919) % 251));
  return sharp(pixels, { raw: { width: 640, height: 480, channels: 3 } })
    .jpeg({ quality: 95 })
    .toBuffer();
}

const atEnd: { close(): Promise<void> }[] = [];

const unexpected: GstHandlers = {
  ended: (error) => {
    throw error;
  },
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
      await expect(start('fakesink', unexpected)).rejects.toMatchObject({
        code: 'UNSUPPORTED',
        message: expect.stringContaining('gstreamer1.0-tools'),
      });
    } finally {
      process.env['PATH'] = PATH;
    }
  });
});

describe('a pipeline', () => {
  needs('gstreamer');

  it('takes every frame into files, whole and in order', async () => {
    const pipeline = await start(
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
    const pipeline = await start('fakesink', unexpected);
    await feed(pipeline, 5);
    expect(pipeline.running).toBe(true);
    await pipeline.close();
    expect(pipeline.running).toBe(false);
    expect(pipeline.stats.written).toBe(5);
  });

  it('drops frames while it is busy', async () => {
    const pipeline = await start('identity sleep-time=300000 ! fakesink sync=false', unexpected);
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
    await expect(start(text, unexpected)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  const ended = (pipeline: string): Promise<BridgeError> =>
    new Promise((resolve, reject) => {
      start(pipeline, { ended: resolve }).then((started) => feed(started, 10), reject);
    });

  it('tells when it fails by itself', async () => {
    const error = await ended('identity error-after=3 ! fakesink');
    expect(error).toBeInstanceOf(BridgeError);
    expect(error.message).toMatch(/GStreamer pipeline ended: .*Failed after iterations/);
  });

  it('tells who ended it, when it was a signal', async () => {
    const before = children();
    const failure = new Promise<BridgeError>((resolve, reject) => {
      start('fakesink', { ended: resolve }).then(() => {
        for (const pid of children().filter((child) => !before.includes(child))) process.kill(pid, 'SIGKILL');
      }, reject);
    });
    expect((await failure).message).toMatch(/SIGKILL/);
  });

  it('hands over what it writes to stderr', async () => {
    let text = '';
    const pipeline = await start('videoconvert ! videorate max-rate=0 ! fakesink', {
      ...unexpected,
      stderr: (chunk) => {
        text += Buffer.from(chunk).toString();
      },
    });
    await feed(pipeline, 2);
    await pipeline.close();
    expect(text).toMatch(/WARNING.*max-rate/s);
  });

  it('is not in the group that a terminal interrupts', async () => {
    const before = children();
    const pipeline = await start('fakesink', unexpected);
    const group = (pid: number | string): string =>
      readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/.*\) /, '').split(' ')[2]!;
    const [pid] = children().filter((child) => !before.includes(child));
    expect(group(pid!)).not.toBe(group('self'));
    await pipeline.close();
  });

  it('can be given up while it starts', async () => {
    const abort = new AbortController();
    const before = children();
    // It opens a pipe that no one writes to, which takes for ever.
    const fifo = join(scratch, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const starting = start(`fakesink filesrc location=${fifo} ! fakesink`, unexpected, {
      signal: abort.signal,
    });
    abort.abort(new Error('closed while it started'));
    await expect(starting).rejects.toMatchObject({
      message: expect.stringContaining('closed while it started'),
    });
    expect(children()).toEqual(before);
  });

  it('without a single frame ends without a complaint', async () => {
    const pipeline = await start(`filesink location=${join(scratch, 'empty')} buffer-mode=2`, unexpected);
    await expect(pipeline.close()).resolves.toBeUndefined();
  });

  it('says so when it had to be ended before it had finished', async () => {
    const text = 'identity sleep-time=4000000 ! fakesink sync=false';
    const pipeline = await start(text, unexpected, { finishMs: 5_000 });
    await feed(pipeline, 4);
    const late = { code: 'FILE_FAILED', message: expect.stringMatching(/unfinished.*5 s.*SIGTERM/) };
    await expect(pipeline.close()).rejects.toMatchObject(late);
    await expect(pipeline.close()).rejects.toMatchObject(late);
  });

  it('says so when it was killed while it finished', async () => {
    const before = children();
    const pipeline = await start('identity sleep-time=4000000 ! fakesink sync=false', unexpected);
    await feed(pipeline, 3);
    const closing = expect(pipeline.close()).rejects.toMatchObject({
      code: 'FILE_FAILED',
      message: expect.stringMatching(/unfinished.*SIGKILL/),
    });
    process.kill(children().find((pid) => !before.includes(pid))!, 'SIGKILL');
    await closing;
  });

  it('says so when a file cannot be finished', async () => {
    needs('x264');
    const pipeline = await start(
      'videoconvert ! x264enc ! mp4mux faststart=true ! filesink location=/dev/full',
      unexpected,
    );
    await feed(pipeline, 15);
    await expect(pipeline.close()).rejects.toMatchObject({
      code: 'FILE_FAILED',
      message: expect.stringMatching(/unfinished.*No space left/),
    });
  });

  it.each([1, 15])('finishes an MP4 file of %i frames', async (frames) => {
    needs('x264');
    const path = join(scratch, `${frames}.mp4`);
    const pipeline = await start(`videoconvert ! x264enc ! mp4mux ! filesink location=${path}`, unexpected);
    await feed(pipeline, frames);
    await pipeline.close();
    expect(statSync(path).size).toBeGreaterThan(1000);
    expect(readFileSync(path).includes('moov')).toBe(true);
  });

  it.each([
    ['avimux', 'avidemux', 'avi'],
    ['theoraenc ! oggmux', 'oggdemux ! theoradec', 'ogg'],
    ['x264enc ! matroskamux', 'matroskademux', 'mkv'],
  ])('gives %s a rate: the file has every frame', async (write, read, type) => {
    if (write.includes('x264')) needs('x264');
    needs('file formats');
    const path = join(scratch, `file.${type}`);
    const pipeline = await start(`videoconvert ! ${write} ! filesink location=${path}`, unexpected);
    await feed(pipeline, 30);
    await pipeline.close();
    expect(await times(`filesrc location=${path} ! ${read}`)).toHaveLength(30);
    // Microseconds per frame in the head of an AVI file: 25 frames a second.
    if (type === 'avi') expect(readFileSync(path).readUInt32LE(32)).toBe(40_000);
  });

  it('lets a filter ask for the rate that the frames have', async () => {
    let handlers: GstHandlers | undefined;
    const flows = new Promise<void>((resolve, reject) => {
      handlers = { ended: reject, flows: resolve };
    });
    const pipeline = await start('videoconvert ! video/x-raw,framerate=25/1 ! fakesink', handlers!);
    await feed(pipeline, 15);
    // Before the end: a pipeline that is closed says no more that it works.
    await expect(flows).resolves.toBeUndefined();
    await pipeline.close();
  });

  it('keeps the times of the frames', async () => {
    const path = join(scratch, 'times.mkv');
    const pipeline = await start(`jpegenc ! matroskamux ! filesink location=${path}`, unexpected);
    const picture = await jpeg(10);
    const given = [0, 40, 80, 121, 180, 1_000, 1_040, 1_060];
    for (const ms of given) {
      pipeline.offer({ jpeg: picture, width: 64, height: 48, timestampMs: 1_700_000_000_000 + ms });
    }
    await pipeline.close();
    expect(await times(`filesrc location=${path} ! matroskademux`)).toEqual(given);
  });

  it.each([
    [
      'video/x-raw,width=1 ! fakesink',
      /they are image\/jpeg, width=\(int\)64.*it takes image\/jpeg, width=\(int\)1,/,
    ],
    [
      'videoconvert ! video/x-raw,framerate=50/1 ! fakesink',
      /framerate=\(fraction\)25\/1.*framerate=\(fraction\)50\/1/,
    ],
  ])('says in what frames and pipeline differ: %s', async (text, words) => {
    const error = await ended(text);
    expect(error).toMatchObject({ code: 'OPTION_INVALID', message: expect.stringMatching(words) });
    expect(error.message).toMatch(/GStreamer's last words: .*reason not-linked/);
    expect(error.message).not.toContain('Internal data stream error');
  });

  it('says the same when it ends before the rate is known', async () => {
    const pipeline = await start('video/x-raw,width=1 ! fakesink', unexpected);
    await feed(pipeline, 3);
    await expect(pipeline.close()).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(/does not take these frames/),
    });
  });

  it('begins after a second when frames are rare, and with a single one after two', async () => {
    for (const frames of [2, 1]) {
      const began = performance.now();
      const flows = new Promise<void>((resolve, reject) => {
        start('fakesink', { ended: reject, flows: resolve }).then(async (pipeline) => {
          await feed(pipeline, frames);
          atEnd.push(pipeline);
        }, reject);
      });
      await flows;
      expect(performance.now() - began).toBeGreaterThan(frames === 2 ? 990 : 1_990);
    }
    for (const pipeline of atEnd) await pipeline.close();
  });

  it('has as long as it may to finish, and says that it is waited for', async () => {
    const said: number[] = [];
    const text = 'identity sleep-time=1500000 ! fakesink sync=false';
    const pipeline = await start(text, { ...unexpected, finishing: (ms) => said.push(ms) });
    await feed(pipeline, 3);
    await pipeline.close();
    expect(said).toHaveLength(1);
    expect(said[0]).toBeGreaterThan(1_990);
  });

  it('can be closed by two at the same time', async () => {
    const pipeline = await start('identity sleep-time=300000 ! fakesink sync=false', unexpected);
    await feed(pipeline, 3);
    await expect(Promise.all([pipeline.close(), pipeline.close()])).resolves.toHaveLength(2);
    await pipeline.close();
    expect(pipeline.offer({ jpeg: await jpeg(1), width: 64, height: 48, timestampMs: 1 })).toBe(false);
    expect(await pipeline.room()).toBe(false);
  });
});
