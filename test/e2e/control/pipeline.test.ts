/** GStreamer pipelines of a running bridge: what its socket, its events and its command line say of them. */
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { BridgeEvent } from '../../../src/bridge/events.js';
import { needs } from '../../support/needs.js';
import { children } from '../gstreamer/support.js';
import { Program, run } from '../program/program.js';
import { ask, atEnd, controlled, scratch } from './support.js';

/** Fails at the end only: the file is moved to its place then, and no space is left there. */
const UNFINISHED = 'videoconvert ! x264enc ! mp4mux faststart=true ! filesink location=/dev/full';
const VIRTUAL = ['--port', 'virtual', '--no-shm'];

const events = (bridge: Awaited<ReturnType<typeof controlled>>['bridge']): BridgeEvent[] => {
  const seen: BridgeEvent[] = [];
  bridge.events$.subscribe((event) => seen.push(event));
  return seen;
};

describe('a file that cannot be finished', () => {
  needs('x264');

  it('makes an error of stop_stream, an event, and nothing of the next start', async () => {
    const { bridge, path } = await controlled();
    const seen = events(bridge);
    await ask(path, 'set_pipeline', { pipeline: UNFINISHED });
    await ask(path, 'start_stream');
    await expect.poll(() => bridge.pipeline.stats.written, { timeout: 20_000 }).toBeGreaterThan(5);
    const message = expect.stringMatching(/unfinished.*No space left/);
    expect(await ask(path, 'stop_stream')).toEqual({ status: 'error', message });
    const stopped = { streaming: false, pipeline: UNFINISHED, pipeline_running: false };
    expect(await ask(path, 'get_status')).toMatchObject({ ...stopped, pipeline_error: message });
    expect(seen.filter(({ type }) => type === 'error')).toEqual([
      expect.objectContaining({ error: expect.objectContaining({ code: 'FILE_FAILED', message }) }),
    ]);
    expect(await ask(path, 'stop_stream')).toMatchObject({ status: 'success' });
    await ask(path, 'set_pipeline', { pipeline: '' });
    expect(await ask(path, 'get_status')).toMatchObject({ pipeline_error: null });
    expect(await ask(path, 'start_stream')).toMatchObject({ status: 'success' });
    await firstValueFrom(bridge.frames$);
  });

  it('is reported at the end of the program, and in its status', async () => {
    const { status, stderr, stdout } = await run([
      ...VIRTUAL,
      '--json',
      '--frames',
      '30',
      '--pipeline',
      UNFINISHED,
    ]);
    expect(status, stderr).toBe(6);
    const errors = stdout.split('\n').filter((line) => line.includes('"type":"error"'));
    expect(errors).toEqual([expect.stringMatching(/FILE_FAILED.*No space left/)]);
  });
});

describe('a pipeline that fails while frames flow', () => {
  needs('gstreamer');

  it('is started again; the status says so, frames go on', async () => {
    const { bridge, path } = await controlled();
    const seen = events(bridge);
    const pipeline = 'identity error-after=3 ! fakesink';
    await ask(path, 'set_pipeline', { pipeline });
    await ask(path, 'start_stream');
    const failures = (): BridgeEvent[] => seen.filter(({ type }) => type === 'error');
    await expect
      .poll(() => ask(path, 'get_status'), { timeout: 20_000 })
      .toEqual({
        status: 'success',
        streaming: true,
        pipeline,
        pipeline_running: false,
        pipeline_error: expect.stringMatching(/Failed after iterations.*started again/),
      });
    const failed = failures().length;
    const { delivered } = bridge.stats();
    await expect.poll(() => bridge.stats().delivered, { timeout: 20_000 }).toBeGreaterThan(delivered + 5);
    await expect.poll(() => failures().length, { timeout: 20_000 }).toBeGreaterThan(failed);
    expect(await ask(path, 'stop_stream')).toMatchObject({ status: 'success' });
  });

  it('tells what GStreamer warns of', async () => {
    const { bridge, path } = await controlled();
    const seen = events(bridge);
    await ask(path, 'set_pipeline', { pipeline: 'videoconvert ! videorate max-rate=0 ! fakesink' });
    await ask(path, 'start_stream');
    await ask(path, 'stop_stream');
    expect(seen).toContainEqual({
      runId: bridge.runId,
      type: 'pipeline',
      cameraId: bridge.cameraId,
      text: expect.stringMatching(/WARNING.*max-rate/),
    });
  });
});

describe('a pipeline that cannot work with the frames', () => {
  needs('gstreamer');

  it("makes an error of start_stream, in GStreamer's words; then nothing streams", async () => {
    const { bridge, path } = await controlled();
    const seen = events(bridge);
    const pipeline = 'videoconvert ! video/x-raw,width=1 ! fakesink';
    await ask(path, 'set_pipeline', { pipeline });
    const message = expect.stringMatching(/they are image\/jpeg, .*it takes .*width=\(int\)1,.*not-linked/);
    expect(await ask(path, 'start_stream')).toEqual({ status: 'error', message });
    const stopped = { streaming: false, pipeline, pipeline_running: false, pipeline_error: message };
    expect(await ask(path, 'get_status')).toMatchObject(stopped);
    expect(seen.filter(({ type }) => type === 'error')).toEqual([]);
    expect(await ask(path, 'stop_stream')).toMatchObject({ status: 'success' });
    await ask(path, 'set_pipeline', { pipeline: 'fakesink' });
    expect(await ask(path, 'start_stream')).toMatchObject({ status: 'success' });
    await expect.poll(() => bridge.pipeline.stats.written, { timeout: 20_000 }).toBeGreaterThan(12);
    expect(bridge.pipeline.running).toBe(true);
  });

  it('does not keep a start waiting when it is stopped meanwhile', async () => {
    needs('x264');
    const { bridge } = await controlled();
    bridge.setPipeline('x264enc ! fakesink');
    const starting = bridge.startStreaming();
    await firstValueFrom(bridge.frames$);
    await bridge.stopStreaming();
    await expect(starting).resolves.toBeUndefined();
    expect(bridge.streaming).toBe(false);
  });

  it('does not outlive a bridge that is closed while it starts', async () => {
    const { bridge } = await controlled();
    bridge.setPipeline('identity sleep-time=1000 ! fakesink');
    const starting = bridge.startStreaming();
    await firstValueFrom(bridge.frames$);
    await bridge.close();
    await expect(starting).resolves.toBeUndefined();
    expect(children()).toEqual([]);
  });
});

describe('several cameras', () => {
  const two = ['--port', 'virtual', ...VIRTUAL];

  it('are refused one pipeline without {camera}', async () => {
    const { status, stderr } = await run([...two, '--pipeline', 'filesink location=/dev/null']);
    expect(status).toBe(2);
    expect(stderr).toContain('{camera}');
  });

  it('are refused one id for {camera}', async () => {
    const pipeline = 'filesink location=/dev/null name=f{camera}';
    const { status, stderr } = await run([...two, '--camera-id', 'line', '--pipeline', pipeline]);
    expect(status).toBe(2);
    expect(stderr).toContain('--camera-id');
  });

  it('write a file each where {camera} stands', async () => {
    needs('gstreamer');
    const dir = join(scratch, 'cameras');
    mkdirSync(dir);
    const pipeline = `videoconvert ! filesink location=${dir}/{camera}.raw`;
    const { status, stderr } = await run([...two, '--frames', '5', '--pipeline', pipeline]);
    expect(status, stderr).toBe(0);
    expect(readdirSync(dir).sort()).toEqual(
      ['01', '02'].map((number) => expect.stringMatching(new RegExp(`^[0-9a-f]+${number}\\.raw$`))),
    );
  });

  it('one camera has {camera} as well, by the name it was given', async () => {
    needs('gstreamer');
    const pipeline = `videoconvert ! filesink location=${scratch}/{camera}.raw`;
    const { status } = await run([...VIRTUAL, '--camera-id', '..', '--frames', '3', '--pipeline', pipeline]);
    expect(status).toBe(0);
    expect(existsSync(join(scratch, '_..raw'))).toBe(true);
  });
});

describe('Ctrl-C in a terminal', () => {
  needs('x264');

  it('lets the pipeline finish its file', async () => {
    const path = join(scratch, 'interrupted.mp4');
    const pipeline = `videoconvert ! x264enc ! mp4mux ! filesink location=${path}`;
    // A group of its own, which is interrupted as a whole, as a terminal does.
    const program = new Program([...VIRTUAL, '--json', '--pipeline', pipeline], { detached: true });
    atEnd(async () => {
      program.kill('SIGKILL');
      await program.ended;
    });
    await program.line(({ type, sequence }) => type === 'frame' && sequence >= 20);
    process.kill(-program.pid, 'SIGINT');
    expect(await program.ended).toMatchObject({ status: 0 });
    expect(readFileSync(path).includes('moov')).toBe(true);
  });
});
