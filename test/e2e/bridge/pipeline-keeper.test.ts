/** A pipeline that fails while frames go on: real gst-launch-1.0, and a receiver that goes away and comes back. */
import { createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { PipelineKeeper, type PipelineReports } from '../../../src/bridge/pipeline-keeper.js';
import { PipelineWarnings } from '../../../src/bridge/pipeline-warnings.js';
import type { BridgeError } from '../../../src/errors.js';
import { needs } from '../../support/needs.js';
import { children, jpeg } from '../gstreamer/support.js';

const QUICK = { backoffMinMs: 20, backoffMaxMs: 200, crashWindowMs: 600_000, crashLimit: 100 };
const SETTINGS = { delivery: 'latest', finishMs: 30_000, figures: QUICK } as const;

const atEnd: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of atEnd.splice(0).reverse()) await close();
});

class Told implements PipelineReports {
  readonly errors: BridgeError[] = [];
  readonly warnings: string[] = [];
  failed(error: BridgeError): void {
    this.errors.push(error);
  }
  warned(text: string): void {
    this.warnings.push(text);
  }
}

async function start(
  text: string,
  figures = QUICK,
  finishMs = 30_000,
): Promise<{ keeper: PipelineKeeper; told: Told; stopFeeding: () => void }> {
  const told = new Told();
  const keeper = await PipelineKeeper.start(text, told, { delivery: 'latest', finishMs, figures });
  const picture = await jpeg(90);
  const timer = setInterval(() => {
    keeper.offer({ jpeg: picture, width: 64, height: 48, timestampMs: Date.now() });
  }, 10);
  const stopFeeding = (): void => clearInterval(timer);
  atEnd.push(async () => {
    stopFeeding();
    await keeper.close().catch(() => undefined);
  });
  return { keeper, told, stopFeeding };
}

/** Takes whatever comes on a port of its own. */
class Receiver {
  #server: Server | undefined;
  readonly #sockets = new Set<Socket>();
  port = 0;
  bytes = 0;

  open(): Promise<void> {
    this.bytes = 0;
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', (chunk) => {
        this.bytes += chunk.length;
      });
    });
    return new Promise((resolve) => {
      this.#server!.listen(this.port, '127.0.0.1', () => {
        const address = this.#server!.address();
        if (address !== null && typeof address === 'object') this.port = address.port;
        resolve();
      });
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    await new Promise((resolve) => this.#server!.close(resolve));
  }
}

describe('a pipeline that fails while frames flow', () => {
  needs('gstreamer');

  it('is started again, and reported once for each failure', async () => {
    const { keeper, told } = await start('identity error-after=4 ! fakesink');
    await expect.poll(() => told.errors.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(3);
    expect(told.errors[0]!.message).toMatch(/Failed after iterations.*started again in 0.02 s/s);
    // Each start takes some frames: as many failures as starts, and not as frames.
    expect(keeper.stats.written).toBeGreaterThan(told.errors.length);
    await expect.poll(() => keeper.running, { timeout: 30_000 }).toBe(true);
    expect(keeper.error).toBeUndefined();
  });

  it('comes back when its receiver does', async () => {
    const receiver = new Receiver();
    await receiver.open();
    atEnd.push(() => receiver.close());
    const { keeper, told } = await start(
      `jpegenc ! tcpclientsink host=127.0.0.1 port=${receiver.port} sync=false`,
    );
    await expect.poll(() => receiver.bytes, { timeout: 30_000 }).toBeGreaterThan(1_000);
    await receiver.close();
    await expect.poll(() => told.errors.length, { timeout: 30_000 }).toBeGreaterThanOrEqual(2);
    expect(keeper.running).toBe(false);
    expect(keeper.error?.message).toMatch(/GStreamer pipeline/);
    await receiver.open();
    await expect.poll(() => receiver.bytes, { timeout: 30_000 }).toBeGreaterThan(1_000);
    expect(keeper.running).toBe(true);
    expect(keeper.error).toBeUndefined();
  });

  it('is given up after too many failures; frames are counted as dropped', async () => {
    const { keeper, told } = await start('identity error-after=2 ! fakesink', { ...QUICK, crashLimit: 3 });
    await expect.poll(() => told.errors.length, { timeout: 30_000 }).toBe(3);
    expect(told.errors[2]!.message).toMatch(/not started again, after 3 failures within 600 s/);
    const { dropped } = keeper.stats;
    await expect.poll(() => keeper.stats.dropped, { timeout: 30_000 }).toBeGreaterThan(dropped + 20);
    expect(told.errors).toHaveLength(3);
    expect(children()).toEqual([]);
    expect(keeper.error).toBe(told.errors[2]);
    // It has been told: closing has nothing to add.
    await keeper.close();
  });

  it('can be closed while it waits for its next start', async () => {
    const figures = { ...QUICK, backoffMinMs: 600_000, backoffMaxMs: 600_000 };
    const { keeper, told } = await start('identity error-after=2 ! fakesink', figures);
    await expect.poll(() => told.errors.length, { timeout: 30_000 }).toBe(1);
    await keeper.close();
    expect(children()).toEqual([]);
    expect(told.errors).toHaveLength(1);
  });

  it.each(['nosuchelement ! fakesink', 'fakesink nosuchproperty=1', 'fakesink ! ! fakesink'])(
    'is not tried again when it cannot be started in the first place: %s',
    async (text) => {
      const told = new Told();
      await expect(PipelineKeeper.start(text, told, SETTINGS)).rejects.toMatchObject({ name: 'BridgeError' });
      expect(children()).toEqual([]);
      expect(told.errors).toEqual([]);
    },
  );

  it('reports what it could not finish, and says so to anyone who closes it', async () => {
    const { keeper, told, stopFeeding } = await start(
      'identity sleep-time=4000000 ! fakesink sync=false',
      QUICK,
      5_000,
    );
    await expect.poll(() => keeper.stats.written, { timeout: 30_000 }).toBeGreaterThan(4);
    stopFeeding();
    await expect(keeper.close()).rejects.toMatchObject({ code: 'FILE_FAILED' });
    expect(told.errors.map(({ code }) => code)).toEqual(['FILE_FAILED']);
    expect(keeper.error).toBe(told.errors[0]);
    await keeper.close();
    expect(told.errors).toHaveLength(1);
  });

  it('passes on what GStreamer warns of', async () => {
    const { keeper, told } = await start('videoconvert ! videorate max-rate=0 ! fakesink');
    await keeper.close();
    expect(told.warnings).toEqual([expect.stringMatching(/WARNING.*max-rate/)]);
    expect(told.errors).toEqual([]);
  });
});

describe('warnings of GStreamer', () => {
  const line = (text: string): Uint8Array => Buffer.from(`${text}\n`);

  it('are told without the lines between them, and without what is an error', () => {
    const told: string[] = [];
    const warnings = new PipelineWarnings((text) => told.push(text));
    warnings.push(line('WARNING: from element /GstPipeline:pipeline0/GstJpegDec:jpegdec0: Failed'));
    warnings.push(line('Additional debug info:\n../gst/jpeg.c(12): decode ()'));
    warnings.push(Buffer.from('(gst-launch-1.0:12): GLib-GObject-CRI'));
    warnings.push(line('TICAL **: 05:19: it failed'));
    warnings.push(line('WARNING: erroneous pipeline: no element "x"'));
    warnings.push(line('ERROR: from element x: y'));
    warnings.push(Buffer.from('0:00:01 12 0x55 WARN jpegdec gstjpegdec.c:7: cut off'));
    warnings.end();
    expect(told).toEqual([
      expect.stringMatching(/^WARNING: from element/),
      '(gst-launch-1.0:12): GLib-GObject-CRITICAL **: 05:19: it failed',
      expect.stringMatching(/cut off$/),
    ]);
  });

  it('are bounded in number and length', () => {
    const told: string[] = [];
    const warnings = new PipelineWarnings((text) => told.push(text));
    for (let index = 0; index < 1_000; index++) warnings.push(line(`WARNING: ${index} ${'x'.repeat(5_000)}`));
    expect(told).toHaveLength(5);
    expect(Math.max(...told.map(({ length }) => length))).toBe(500);
    warnings.end();
    expect(told.at(-1)).toBe('995 more warnings of GStreamer are left out');
    warnings.end();
    expect(told).toHaveLength(6);
  });
});
