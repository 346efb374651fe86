/** The commands after which the camera restarts: `reset`, and `install`, which changes its main.py. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { BridgeInput } from '../../../src/options/index.js';
import { plugIn } from '../../fakes/plugged-camera.js';
import { ask, atEnd, controlled, scratch } from './support.js';

let cables = 0;

/** A bridge on a camera that keeps its files when it restarts. */
async function plugged(input: BridgeInput = {}) {
  const port = join(scratch, `camera-${cables++}`);
  atEnd(await plugIn(port));
  return controlled({ port, ...input });
}

/** What a script prints on the camera. */
async function printed(path: string, script: string): Promise<string> {
  const mark = `over ${Math.random()}`;
  expect(await ask(path, 'exec_script', { script: `${script}\nprint("${mark}")\n` })).toMatchObject({
    status: 'success',
  });
  await expect
    .poll(async () => (await ask(path, 'get_output'))['output'], { timeout: 20_000 })
    .toContain(mark);
  return String((await ask(path, 'get_output'))['output']);
}

const LOOP = 'import time\nprint("main.py of a test")\nwhile True: time.sleep_ms(10)\n';

describe('reset', () => {
  it('restarts the camera while nothing is streamed; frames and their numbers go on afterwards', async () => {
    const { bridge, path } = await controlled({ streaming: true });
    const before = await firstValueFrom(bridge.frames$);
    expect(await ask(path, 'reset')).toMatchObject({
      status: 'error',
      message: expect.stringContaining('while streaming is active'),
    });
    await ask(path, 'stop_stream');
    const { delivered } = bridge.stats();
    const told: string[] = [];
    bridge.events$.subscribe(({ type }) => told.push(type));
    told.length = 0;
    expect(await ask(path, 'reset')).toEqual({
      status: 'success',
      message: 'Camera reset',
      port: 'virtual',
    });
    expect(told.filter((type) => type.endsWith('connected'))).toEqual(['disconnected', 'connected']);
    expect(bridge.state).toBe('paused');
    const next = firstValueFrom(bridge.frames$);
    expect(await ask(path, 'start_stream')).toMatchObject({ status: 'success' });
    expect((await next).sequence).toBe(delivered + 1);
    expect(before.cameraId).toBe((await next).cameraId);
  });

  it('works on a line that does not break by itself, and leaves the camera to its main.py', async () => {
    const { bridge, path } = await plugged();
    await ask(path, 'stop_script');
    expect(await bridge.camera.running()).toBe(false);
    expect(await ask(path, 'reset')).toMatchObject({ status: 'success' });
    await expect.poll(() => bridge.camera.running(), { timeout: 20_000 }).toBe(true);
    expect(bridge.state).toBe('paused');
  });

  it('is refused where the bridge would end with its connection', async () => {
    const { bridge, path } = await controlled({ reconnect: false });
    expect(await ask(path, 'reset')).toMatchObject({
      status: 'error',
      message: expect.stringContaining('cannot be restarted'),
    });
    expect(bridge.camera.connected).toBe(true);
  });
});

describe('install', () => {
  it('puts a script where the camera runs it after each start, and puts back what was there', async () => {
    const { bridge, path } = await plugged();
    const file = join(scratch, 'installed.py');
    writeFileSync(file, LOOP);
    expect(await ask(path, 'install', { path: file })).toEqual({
      status: 'success',
      message: 'Script installed',
      channel: null,
    });
    expect(await bridge.camera.running()).toBe(true);
    const read = 'print(open("main.py").read())';
    expect(await printed(path, read)).toContain('print("main.py of a test")');
    expect(await ask(path, 'install', { undo: 'yes' })).toEqual({
      status: 'success',
      message: 'main.py is what it was before',
    });
    expect(await ask(path, 'install', { undo: true })).toMatchObject({
      status: 'error',
      message: expect.stringContaining('nothing to put back'),
    });
    await ask(path, 'start_stream');
    await firstValueFrom(bridge.frames$);
  });

  it('takes the bundled script where none is given, and frames come from it', async () => {
    const { bridge, path } = await plugged();
    expect(await ask(path, 'install')).toMatchObject({ status: 'success', channel: 'frame' });
    await ask(path, 'start_stream');
    await firstValueFrom(bridge.frames$);
    expect(await ask(path, 'install')).toMatchObject({
      status: 'error',
      message: expect.stringContaining('while streaming is active'),
    });
  });

  it('says what is wrong with its parameters, and is refused where nothing would last', async () => {
    const { path } = await controlled();
    for (const [params, message] of [
      [{ script: LOOP, path: '/x.py' }, /give one/],
      [{ script: LOOP, undo: true }, /undo.*alone/],
      [{ channel: 'a-name-that-is-too-long' }, /parameter "channel"/],
      [{ path: '/no/such.py' }, /no\/such\.py cannot be read/],
      [{ script: LOOP }, /another one at each connection/],
    ] as const) {
      expect(await ask(path, 'install', params)).toMatchObject({
        status: 'error',
        message: expect.stringMatching(message),
      });
    }
  });
});
