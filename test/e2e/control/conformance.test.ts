/** Every command of VizionStreamer's SOCKET_API.md, with its own parameters, over the socket. */
import { existsSync } from 'node:fs';
import { firstValueFrom } from 'rxjs';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import { openViznReader } from '../../../src/shm/index.js';
import { ask, Client, controlled, RESTRICTED, type Reply, scriptWith, UNCONTROLLED } from './support.js';

const done = (message: string) => ({ status: 'success', message });
const SEGMENT = `/openmv_test_control_${process.pid}`;

/** Pictures of one scene, before and after a setting: mean difference of their pixels. */
async function change(bridge: Bridge, path: string, command: string, params: Record<string, unknown>) {
  const before = await still(bridge);
  const reply = await ask(path, command, params);
  expect(reply, command).toEqual({ status: 'success', message: expect.any(String) });
  const after = await still(bridge);
  return before.reduce((sum, value, at) => sum + Math.abs(value - after[at]!), 0) / before.length;
}

/** A frame from after the last setting. */
async function still(bridge: Bridge): Promise<Buffer> {
  await bridge.camera.controls.refresh();
  await firstValueFrom(bridge.frames$);
  const frame = await firstValueFrom(bridge.frames$);
  return sharp(frame.jpeg).removeAlpha().toColourspace('srgb').raw().toBuffer();
}

describe('on a sensor that has every setting', () => {
  it('answers the commands in the forms of the documents', async () => {
    const { path } = await controlled();
    const client = new Client(path);
    const { status, formats } = await client.send('get_formats');
    expect(status).toBe('success');
    expect(formats).toContainEqual({ width: 1920, height: 1080, framerate: 30, format: 'MJPG' });
    expect(JSON.stringify({ status, formats }).length).toBeLessThan(4096);

    const format = { width: '640', height: '480', framerate: '20', format: 'YUY2' };
    expect(await client.send('set_format', format)).toEqual(done('Format set successfully'));
    const ours = { pipeline_running: false, pipeline_error: null };
    const idle = { status: 'success', streaming: false, ...ours };
    expect(await client.send('get_status')).toEqual({ ...idle, pipeline: '' });
    expect(await client.send('set_pipeline', { pipeline: 'videoconvert ! fakesink' })).toEqual(
      done('Pipeline set successfully'),
    );
    expect(await client.send('get_status')).toEqual({ ...idle, pipeline: 'videoconvert ! fakesink' });
    expect(await client.send('set_pipeline', { pipeline: '' })).toEqual(done('Pipeline set successfully'));

    const shm = { name: SEGMENT, buffer_size: '8294528' };
    expect(await client.send('enable_shared_memory', shm)).toEqual({
      ...done('Shared memory enabled'),
      name: SEGMENT,
      size: 8294528,
    });
    expect(await client.send('get_shared_memory_status')).toEqual({
      status: 'success',
      shared_memory_enabled: true,
      name: SEGMENT,
      size: 8294528,
    });
    const reader = openViznReader(SEGMENT);

    expect(await client.send('start_stream')).toEqual(done('Streaming started'));
    expect(await client.send('get_status')).toMatchObject({ streaming: true });
    for (const [command, params] of [
      ['set_format', format],
      ['set_pipeline', { pipeline: 'fakesink' }],
      ['enable_shared_memory', shm],
    ] as const) {
      expect(await client.send(command, params), command).toEqual({
        status: 'error',
        message: expect.stringContaining('stop_stream'),
      });
    }

    const settings: [string, Record<string, string>, string][] = [
      ['set_exposure', { mode: 'manual', value: '100' }, 'Exposure set successfully'],
      ['set_exposure', { mode: 'auto' }, 'Exposure set successfully'],
      ['set_whitebalance', { mode: 'manual', temperature: '4500' }, 'White balance set successfully'],
      ['set_whitebalance', { mode: 'auto', temperature: '4500' }, 'White balance set successfully'],
      ['set_brightness', { value: '50' }, 'Brightness set successfully'],
      ['set_contrast', { value: '32' }, 'Contrast set successfully'],
      ['set_saturation', { value: '64' }, 'Saturation set successfully'],
      ['set_sharpness', { value: '3' }, 'Sharpness set successfully'],
      ['set_gamma', { value: '100' }, 'Gamma set successfully'],
      ['set_gain', { value: '0' }, 'Gain set successfully'],
      ['set_ehdr_mode', { mode: '0' }, 'eHDR mode set successfully'],
      ['set_ehdr_exposure_min', { value: '1' }, 'eHDR exposure min set successfully'],
      ['set_ehdr_exposure_max', { value: '4' }, 'eHDR exposure max set successfully'],
      ['set_ehdr_ratio_min', { value: '12' }, 'eHDR ratio min set successfully'],
      ['set_ehdr_ratio_max', { value: '24' }, 'eHDR ratio max set successfully'],
    ];
    for (const [command, params, message] of settings) {
      expect(await client.send(command, params), command).toEqual(done(message));
    }
    expect(await client.send('get_ehdr_status')).toEqual({
      status: 'success',
      ehdr_mode: 0,
      exposure_min: 1,
      exposure_max: 4,
      ratio_min: 12,
      ratio_max: 24,
    });

    await expect.poll(() => reader.latest()?.width).toBe(640);
    reader.close();
    expect(await client.send('stop_stream')).toEqual(done('Streaming stopped'));
    expect(await client.send('disable_shared_memory')).toEqual(done('Shared memory disabled'));
    expect(await client.send('get_shared_memory_status')).toEqual({
      status: 'success',
      shared_memory_enabled: false,
    });
    expect(existsSync(`/dev/shm${SEGMENT}`)).toBe(false);
  });

  it('lists rates that the camera can have, not the one that it happens to have', async () => {
    const { bridge, path } = await controlled({ streaming: true, virtual: { fps: 12 } });
    const rates = async () => [
      ...new Set((await ask(path, 'get_formats'))['formats'].map((format: Reply) => format['framerate'])),
    ];
    await firstValueFrom(bridge.stats$);
    await firstValueFrom(bridge.stats$);
    expect(await rates()).toEqual([30]);
    await bridge.camera.controls.set({ framerate: 5 });
    expect(await rates()).toEqual([30]);
    await bridge.camera.controls.set({ framerate: 90 });
    expect(await rates()).toEqual([90]);
  });

  it('keeps the segment that there is when another one is refused', async () => {
    const { bridge, path } = await controlled();
    const size = 8294528;
    await ask(path, 'enable_shared_memory', { name: SEGMENT, buffer_size: size });
    const reader = openViznReader(SEGMENT);
    const status = { status: 'success', shared_memory_enabled: true, name: SEGMENT, size };
    expect(await ask(path, 'enable_shared_memory', { name: '/a/b' })).toMatchObject({ status: 'error' });
    expect(await ask(path, 'get_shared_memory_status')).toEqual(status);
    await ask(path, 'start_stream');
    await firstValueFrom(bridge.frames$);
    await expect.poll(() => reader.latest()?.width).toBe(320);
    reader.close();
    await ask(path, 'stop_stream');
    const other = await controlled({ shm: true, shmName: `${SEGMENT}_other` });
    expect(await ask(path, 'enable_shared_memory', { name: `${SEGMENT}_other` })).toMatchObject({
      status: 'error',
    });
    expect(other.bridge.segment).not.toBeNull();
    expect(await ask(path, 'get_shared_memory_status')).toEqual(status);
    const larger = { name: SEGMENT, buffer_size: size + 4_096 };
    expect(await ask(path, 'enable_shared_memory', larger)).toMatchObject({ size: size + 4_096 });
    await ask(path, 'disable_shared_memory');
    expect(existsSync(`/dev/shm${SEGMENT}`)).toBe(false);
  });

  it('shows each setting in the pictures', async () => {
    const image = await sharp({
      create: { width: 320, height: 240, channels: 3, background: '#406080' },
    })
      .composite([
        {
          input: Buffer.from(
            '<svg width="120" height="90"><rect width="120" height="90" fill="#c08040"/></svg>',
          ),
          left: 20,
          top: 10,
        },
      ])
      .png()
      .toBuffer();
    const { mkdirSync, writeFileSync } = await import('node:fs');
    const { join } = await import('node:path');
    const { scratch } = await import('./support.js');
    mkdirSync(join(scratch, 'still'));
    writeFileSync(join(scratch, 'still', 'one.png'), image);
    const { bridge, path } = await controlled({
      streaming: true,
      virtual: { images: join(scratch, 'still'), fps: 100 },
    });
    const noise = await change(bridge, path, 'set_brightness', { value: 128 });
    expect(noise).toBeLessThan(0.5);
    for (const [command, params, least] of [
      ['set_brightness', { value: 200 }, 10],
      ['set_brightness', { value: 128 }, 10],
      ['set_contrast', { value: 255 }, 5],
      ['set_contrast', { level: 0 }, 5],
      ['set_saturation', { value: 0 }, 5],
      ['set_saturation', { level: 0 }, 5],
      ['set_sharpness', { value: 0 }, 0.1],
      ['set_sharpness', { level: 0 }, 0.1],
      ['set_gamma', { value: 200 }, 10],
      ['set_gamma', { value: 100 }, 10],
      ['set_exposure', { mode: 'manual', value: 50 }, 10],
      ['set_gain', { value: 12 }, 10],
      ['set_gain', { mode: 'auto' }, 10],
      ['set_exposure', { mode: 'auto' }, 10],
      ['set_whitebalance', { mode: 'manual', temperature: 2800 }, 10],
      ['set_whitebalance', { mode: 'manual', temperature: 6500 }, 10],
      ['set_whitebalance', { mode: 'auto' }, 1],
      ['set_ehdr_mode', { mode: 0 }, 10],
      ['set_ehdr_exposure_max', { value: 2 }, 1],
      ['set_ehdr_exposure_min', { value: 2 }, 0.5],
      ['set_ehdr_ratio_max', { value: 128 }, 1],
      ['set_ehdr_ratio_min', { value: 100 }, 1],
      ['set_ehdr_mode', { mode: 1 }, 10],
      ['set_effect', { effect: 'negative' }, 20],
      ['set_effect', { effect: 'normal' }, 20],
      ['set_orientation', { mirror: 'true' }, 10],
      ['set_orientation', { mirror: false, flip: true }, 10],
      ['set_quality', { value: 3 }, 0.05],
    ] as const) {
      expect(
        await change(bridge, path, command, params),
        `${command} ${JSON.stringify(params)}`,
      ).toBeGreaterThan(least);
    }
  });

  it('sets the picture format between two pulls and loses no frame of the new one', async () => {
    const { bridge, path } = await controlled();
    for (const [params, width, channels] of [
      [{ width: 640, height: 480, format: 'GREY' }, 640, 1],
      [{ width: '320', height: '240', format: 'MJPG' }, 320, 3],
      [{ width: 200, height: 100 }, 200, 3],
    ] as const) {
      expect(await ask(path, 'set_format', params)).toEqual(done('Format set successfully'));
      await ask(path, 'start_stream');
      const frame = await firstValueFrom(bridge.frames$);
      expect([frame.width, (await sharp(frame.jpeg).metadata()).channels]).toEqual([width, channels]);
      await ask(path, 'stop_stream');
    }
  });
});

describe('on a sensor of few controls', () => {
  it("passes the sensor's own refusals on and goes on streaming", async () => {
    const { bridge, path } = await controlled({
      streaming: true,
      virtual: { script: scriptWith(RESTRICTED, 'restricted.py') },
    });
    const client = new Client(path);
    const unsupported = 'The requested operation is not supported by the image sensor.';
    const none = "this camera's csi module has no such setting";
    for (const [command, params, words] of [
      ['set_exposure', { mode: 'manual', value: '100' }, unsupported],
      ['set_exposure', { mode: 'auto' }, unsupported],
      ['set_whitebalance', { mode: 'manual', temperature: '4500' }, unsupported],
      ['set_brightness', { value: '50' }, 'the sensor refused -2'],
      ['set_contrast', { value: '32' }, 'the sensor refused -2'],
      ['set_saturation', { value: '64' }, 'the sensor refused'],
      ['set_sharpness', { value: '3' }, none],
      ['set_gamma', { value: '100' }, none],
      ['set_gain', { value: '0' }, unsupported],
      ['set_ehdr_mode', { mode: '0' }, none],
      ['set_ehdr_exposure_min', { value: '1' }, none],
      ['set_ehdr_exposure_max', { value: '4' }, none],
      ['set_ehdr_ratio_min', { value: '12' }, none],
      ['set_ehdr_ratio_max', { value: '24' }, none],
      ['get_ehdr_status', {}, 'no eHDR'],
      ['set_orientation', { mirror: true }, unsupported],
    ] as const) {
      expect(await client.send(command, params), command).toEqual({
        status: 'error',
        message: expect.stringContaining(words),
      });
    }
    expect(await client.send('get_formats')).toMatchObject({ status: 'success' });
    await firstValueFrom(bridge.frames$);
    expect(await client.send('stop_stream')).toEqual(done('Streaming stopped'));
    expect(await client.send('set_format', { width: 320, height: 240, framerate: 30 })).toMatchObject({
      status: 'error',
      message: expect.stringContaining(unsupported),
    });
    expect(await client.send('set_format', { width: 1280, height: 720 })).toEqual({
      status: 'error',
      message: expect.stringContaining('Frame buffer overflow'),
    });
    expect(await client.send('start_stream')).toEqual(done('Streaming started'));
    expect((await firstValueFrom(bridge.frames$)).width).toBe(320);
    expect(await client.send('disable_shared_memory')).toEqual(done('Shared memory disabled'));
    expect(await client.send('get_shared_memory_status')).toEqual({
      status: 'success',
      shared_memory_enabled: false,
    });
  });

  it('says so when the script has no control channel', async () => {
    const { bridge, path } = await controlled({
      streaming: true,
      virtual: {
        script: scriptWith(UNCONTROLLED, 'uncontrolled.py'),
      },
    });
    await firstValueFrom(bridge.frames$);
    expect(await ask(path, 'set_brightness', { value: 128 })).toEqual({
      status: 'error',
      message: expect.stringContaining('the script has none'),
    });
    expect(await ask(path, 'stop_stream')).toEqual(done('Streaming stopped'));
    expect(await ask(path, 'start_stream')).toEqual(done('Streaming started'));
    await firstValueFrom(bridge.frames$);
  });
});
