/** Which frames a pipeline gets: all of them, for the sensor waits, or those it has time for, the others being told. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { PipelineKeeper } from '../../../src/bridge/pipeline-keeper.js';
import { BridgeError } from '../../../src/errors.js';
import { needs } from '../../support/needs.js';
import { children, jpeg, times } from '../gstreamer/support.js';
import { Program, run } from '../program/program.js';

const scratch = mkdtempSync(join(tmpdir(), 'openmv-delivery-'));
const QUICK = { backoffMinMs: 20, backoffMaxMs: 200, crashWindowMs: 600_000, crashLimit: 100 };
const VIRTUAL = ['--port', 'virtual', '--no-shm', '--json'];

const open: PipelineKeeper[] = [];
afterEach(async () => {
  for (const keeper of open.splice(0)) await keeper.close().catch(() => undefined);
  expect(children()).toEqual([]);
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

interface Kept {
  readonly keeper: PipelineKeeper;
  readonly errors: BridgeError[];
  readonly said: string[];
  offer(): boolean | Promise<boolean>;
}

async function keep(
  text: string,
  settings: Partial<Parameters<typeof PipelineKeeper.start>[2]> = {},
): Promise<Kept> {
  const errors: BridgeError[] = [];
  const said: string[] = [];
  const keeper = await PipelineKeeper.start(
    text,
    { failed: (error) => errors.push(error), warned: (words) => said.push(words) },
    { delivery: 'every', finishMs: 30_000, figures: QUICK, ...settings },
  );
  open.push(keeper);
  const picture = await jpeg(90);
  let timestampMs = Date.now();
  const offer = (): boolean | Promise<boolean> => {
    timestampMs += 40;
    return keeper.offer({ jpeg: picture, width: 64, height: 48, timestampMs });
  };
  return { keeper, errors, said, offer };
}

/** Gives frames, each when there is room for it. */
async function give({ offer }: Kept, frames: number): Promise<void> {
  for (let index = 0; index < frames; index++) await offer();
}

describe('with delivery every', () => {
  needs('gstreamer');

  it('a slow pipeline gets each frame', async () => {
    const dir = join(scratch, 'slow');
    mkdirSync(dir);
    const kept = await keep(`identity sleep-time=10000 ! jpegenc ! multifilesink location=${dir}/%05d.jpg`);
    await give(kept, 150);
    await kept.keeper.close();
    expect(kept.keeper.stats).toEqual({ written: 150, dropped: 0 });
    expect(readdirSync(dir)).toHaveLength(150);
  });

  it('the source waits while a pipeline is started again, and no longer than that', async () => {
    const kept = await keep('identity error-after=14 ! fakesink');
    for (let failures = 1; failures <= 3; failures++) {
      await give(kept, 20);
      await expect.poll(() => kept.errors.length, { timeout: 20_000 }).toBe(failures);
    }
    expect(kept.keeper.stats).toEqual({ written: 60, dropped: 0 });
  });

  it('frames go on without a pipeline that is given up', async () => {
    const figures = { ...QUICK, crashLimit: 1 };
    const kept = await keep('identity error-after=4 ! fakesink', { figures });
    await give(kept, 13);
    await expect.poll(() => kept.errors.length, { timeout: 20_000 }).toBe(1);
    expect(await kept.offer()).toBe(false);
    expect(kept.keeper.stats.dropped).toBeGreaterThan(0);
  });

  it('closing ends the wait for a pipeline that is to be started again', async () => {
    const figures = { ...QUICK, backoffMinMs: 600_000, backoffMaxMs: 600_000 };
    const kept = await keep('identity error-after=4 ! fakesink', { figures });
    await give(kept, 13);
    await expect.poll(() => kept.errors.length, { timeout: 20_000 }).toBe(1);
    const waiting = kept.offer();
    await kept.keeper.close();
    expect(await waiting).toBe(false);
  });

  it('closing finishes what a slow pipeline has been given', async () => {
    const dir = join(scratch, 'closed');
    mkdirSync(dir);
    const kept = await keep(`identity sleep-time=20000 ! jpegenc ! multifilesink location=${dir}/%05d.jpg`);
    await give(kept, 40);
    const last = kept.offer();
    await kept.keeper.close();
    expect(await last).toBe(true);
    expect(readdirSync(dir)).toHaveLength(41);
  });

  it('a recording of a whole run has every frame', async () => {
    needs('file formats');
    const path = join(scratch, 'every.avi');
    const pipeline = `identity sleep-time=50000 ! avimux ! filesink location=${path}`;
    const { status, stdout, stderr } = await run([
      ...VIRTUAL,
      ...['--frames', '60', '--pipeline-delivery', 'every', '--pipeline', pipeline],
    ]);
    expect(status, stderr).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.filter(({ type }) => type === 'frame')).toHaveLength(60);
    expect(lines.filter(({ reason }) => reason === 'pipeline')).toEqual([]);
    const { sinks } = lines.filter(({ type }) => type === 'stats').at(-1);
    expect(sinks.pipeline).toEqual({ written: 60, lost: 0, skipped: 0 });
    expect(await times(`filesrc location=${path} ! avidemux`)).toHaveLength(60);
    expect(stderr).not.toMatch(/pipeline took/);
  });
});

describe('with delivery latest', () => {
  needs('gstreamer');

  it('the frames that a slow pipeline lacks are told while it runs, in the figures and at the end', async () => {
    const dir = join(scratch, 'latest');
    mkdirSync(dir);
    const pipeline = `identity sleep-time=300000 ! jpegenc ! multifilesink location=${dir}/%05d.jpg`;
    const { status, stdout, stderr } = await run([
      ...VIRTUAL,
      ...['--virtual-fps', '100', '--frames', '300', '--pipeline', pipeline],
    ]);
    expect(status, stderr).toBe(0);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const dropped = lines
      .filter(({ type, reason }) => type === 'dropped' && reason === 'pipeline')
      .map(({ count }) => count);
    expect(dropped.length).toBeGreaterThan(0);
    const { sinks, dropped: undelivered } = lines.filter(({ type }) => type === 'stats').at(-1);
    const { written, skipped } = sinks.pipeline;
    expect(skipped).toBe(dropped.reduce((sum, count) => sum + count, 0));
    expect(skipped).toBeGreaterThan(10);
    expect(written + skipped).toBe(300);
    expect(readdirSync(dir)).toHaveLength(written);
    // They are delivered all the same.
    expect(undelivered).toBe(0);
    expect(stderr).toContain(`the pipeline took ${written} of 300 frames`);
    expect(stderr).toContain('--pipeline-delivery every');
    expect(stderr).toMatch(/waiting for the pipeline to finish what it writes: 2 s of at most 30 s/);
  });
});

describe('the end of a pipeline that takes long', () => {
  needs('gstreamer');
  const SLOW = 'identity sleep-time=20000000 ! fakesink sync=false';

  it('is cut short by a signal, also later and by another caller', async () => {
    const kept = await keep(SLOW, { delivery: 'latest' });
    await give(kept, 13);
    const hurry = new AbortController();
    const closing = kept.keeper.close();
    const again = kept.keeper.close(hurry.signal);
    hurry.abort();
    await expect(closing).rejects.toMatchObject({
      code: 'FILE_FAILED',
      message: expect.stringMatching(/had not finished 0 s after its last frame and was ended \(SIGTERM\)/),
    });
    await again;
    expect(kept.errors).toHaveLength(1);
  });

  it('is cut short by a second interrupt', async () => {
    const program = new Program([...VIRTUAL, '--pipeline', SLOW]);
    await program.line(({ type, sequence }) => type === 'frame' && sequence >= 30);
    program.kill('SIGINT');
    await expect
      .poll(() => program.stderr, { timeout: 20_000 })
      .toMatch(/waiting for the pipeline to finish/);
    program.kill('SIGINT');
    const { stderr } = await program.ended;
    expect(stderr).toMatch(/may be unfinished.*ended \(SIGTERM\).*FILE_FAILED/);
  });
});

describe('whether a pipeline takes frames', () => {
  needs('gstreamer');

  it('is known when it has worked with some', async () => {
    const kept = await keep('fakesink');
    const proven = kept.keeper.proven();
    await give(kept, 12);
    await expect(proven).resolves.toBeUndefined();
  });

  it('is not waited for when none come', async () => {
    const { keeper } = await keep('fakesink');
    await expect(keeper.proven()).resolves.toBeUndefined();
  });

  it('is an error, once, when it cannot; then it is not started again', async () => {
    const kept = await keep('video/x-raw,width=1 ! fakesink');
    const proven = kept.keeper.proven();
    const refused = expect(proven).rejects.toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringMatching(/does not take these frames/),
    });
    await give(kept, 12);
    await refused;
    expect(kept.errors).toEqual([]);
    expect(kept.keeper.running).toBe(false);
    expect(kept.keeper.error?.code).toBe('OPTION_INVALID');
    expect(await kept.offer()).toBe(false);
    await kept.keeper.close();
  });

  it('is no question any more when it is closed', async () => {
    const { keeper, errors } = await keep('fakesink');
    const proven = keeper.proven();
    await keeper.close();
    await expect(proven).resolves.toBeUndefined();
    expect(errors).toEqual([]);
  });

  it('is told when it is closed before, and could not', async () => {
    const kept = await keep('video/x-raw,width=1 ! fakesink');
    const refused = expect(kept.keeper.proven()).rejects.toBeInstanceOf(BridgeError);
    await give(kept, 3);
    await expect(kept.keeper.close()).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await refused;
    expect(kept.errors).toHaveLength(1);
  });

  it.each([40, 5])('ends a run of %i frames with the reason', async (frames) => {
    const { status, stdout, stderr } = await run([
      ...VIRTUAL,
      ...['--frames', String(frames), '--pipeline', 'video/x-raw,width=1 ! fakesink'],
    ]);
    expect(status, stderr).toBe(2);
    expect(stderr).toMatch(/does not take these frames: they are image\/jpeg, .*OPTION_INVALID/);
    const errors = stdout.split('\n').filter((line) => line.includes('"type":"error"'));
    expect(errors).toEqual([expect.stringMatching(/OPTION_INVALID/)]);
  });
});
