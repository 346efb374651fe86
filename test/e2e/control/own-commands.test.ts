import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'crc';
import { firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { ask, Client, controlled, scratch } from './support.js';

const crcOf = (bytes: Buffer): string => (crc32(bytes) >>> 0).toString(16).padStart(8, '0');

describe('commands beyond those of VizionStreamer', () => {
  it('get_stats gives the figures of the last second', async () => {
    const { bridge, path } = await controlled({ streaming: true });
    const stats = await firstValueFrom(bridge.stats$);
    const reply = await ask(path, 'get_stats');
    expect(reply).toMatchObject({
      status: 'success',
      camera: bridge.cameraId,
      streaming: true,
      width: 320,
      height: 240,
    });
    expect(reply['total_frames']).toBeGreaterThanOrEqual(stats.delivered);
    expect(reply['frame_size']).toBeGreaterThan(1_000);
    expect(reply['fps']).toBeGreaterThan(0);
  });

  it('snapshot gives a frame, also while nothing is streamed, and one of now', async () => {
    const { bridge, path } = await controlled();
    const file = join(scratch, 'snapshot.jpg');
    await new Promise((resolve) => setTimeout(resolve, 400));
    await ask(path, 'set_format', { width: 640, height: 480 });
    const saved = await ask(path, 'snapshot', { path: file });
    expect(saved).toMatchObject({ status: 'success', width: 640, height: 480, path: file });
    expect(crcOf(readFileSync(file))).toBe(saved['crc32']);
    const inline = await ask(path, 'snapshot');
    expect(crcOf(Buffer.from(inline['jpeg'], 'base64'))).toBe(inline['crc32']);
    expect(bridge.streaming).toBe(false);
    expect(await ask(path, 'snapshot', { path: '/nonexistent/x.jpg' })).toMatchObject({
      status: 'error',
      message: expect.stringMatching(/\/nonexistent\/x\.jpg.*ENOENT/),
    });
    const directory = join(scratch, 'directory');
    mkdirSync(directory);
    expect(await ask(path, 'snapshot', { path: directory })).toMatchObject({ status: 'error' });
    expect(readdirSync(scratch).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('exec_script and stop_script run scripts while nothing is streamed, and streaming finds its own again', async () => {
    const { bridge, path } = await controlled({ streaming: true });
    await firstValueFrom(bridge.frames$);
    expect(await ask(path, 'exec_script', { script: 'print(1)' })).toMatchObject({ status: 'error' });
    await ask(path, 'stop_stream');
    let printed = '';
    const output = bridge.camera.stdout$.subscribe((text) => {
      printed += text;
    });
    const file = join(scratch, 'hello.py');
    writeFileSync(file, 'import time\nprint("hello from a file")\nwhile True: time.sleep_ms(10)\n');
    expect(await ask(path, 'exec_script', { path: file })).toEqual({
      status: 'success',
      message: 'Script started',
    });
    await expect.poll(() => printed).toContain('hello from a file');
    output.unsubscribe();
    expect(await ask(path, 'stop_script')).toEqual({ status: 'success', message: 'Script stopped' });
    expect(await bridge.camera.running()).toBe(false);
    expect(await ask(path, 'set_gain', { value: 1 })).toMatchObject({ status: 'error' });
    await ask(path, 'start_stream');
    await firstValueFrom(bridge.frames$);
    expect(await ask(path, 'exec_script', {})).toMatchObject({ status: 'error' });
  });

  it('snapshot leaves pipeline and streaming as they are', async () => {
    const { bridge, path } = await controlled();
    await ask(path, 'set_pipeline', { pipeline: 'videoconvert ! nosuchelement ! fakesink' });
    expect(await ask(path, 'snapshot')).toMatchObject({ status: 'success' });
    await ask(path, 'set_pipeline', { pipeline: '' });
    const [snapshot, started] = await Promise.all([ask(path, 'snapshot'), ask(path, 'start_stream')]);
    expect([snapshot['status'], started['status']]).toEqual(['success', 'success']);
    expect(bridge.streaming).toBe(true);
    await firstValueFrom(bridge.frames$);
  });

  it('scripts, snapshots and streaming that several clients ask for at once do not get mixed up', async () => {
    const { bridge, path } = await controlled();
    let ended: unknown = 'not yet';
    bridge.done.then(
      () => {
        ended = 'closed';
      },
      (error: unknown) => {
        ended = error;
      },
    );
    const script = `import time\n${'# padding\n'.repeat(500)}while True: time.sleep_ms(10)\n`;
    for (let round = 0; round < 3; round++) {
      const replies = await Promise.all([
        ask(path, 'exec_script', { script }),
        ask(path, 'start_stream'),
        ask(path, 'stop_stream'),
        ask(path, 'exec_script', { script }),
        ask(path, 'snapshot'),
        ask(path, 'stop_script'),
        ask(path, 'stop_stream'),
        ask(path, 'exec_script', { script }),
      ]);
      for (const { status, message } of replies) {
        // To be refused because of what another client has just done is all that may happen.
        if (status !== 'success') expect(message).toMatch(/while streaming is active/);
      }
    }
    expect(await ask(path, 'start_stream')).toMatchObject({ status: 'success' });
    await firstValueFrom(bridge.frames$);
    expect(ended).toBe('not yet');
  });

  it('commands find their camera among several', async () => {
    const { bridge, path, server } = await controlled();
    const other = await controlled();
    server.add(other.bridge);
    const { cameras } = await ask(path, 'list_cameras');
    expect(cameras).toMatchObject([
      { camera: bridge.cameraId, port: 'virtual', connected: true, streaming: false },
      { camera: other.bridge.cameraId },
    ]);
    expect(await ask(path, 'start_stream')).toMatchObject({
      status: 'error',
      message: expect.stringContaining(other.bridge.cameraId),
    });
    expect(await ask(path, 'start_stream', { camera: other.bridge.cameraId })).toMatchObject({
      status: 'success',
    });
    expect([bridge.streaming, other.bridge.streaming]).toEqual([false, true]);
    const client = new Client(path);
    client.write(JSON.stringify({ command: 'get_status', camera: other.bridge.cameraId }));
    expect(await client.next()).toMatchObject({ streaming: true });
  });

  it('subscribe gives a line for each frame, and the connection takes commands beside', async () => {
    const { bridge, path } = await controlled();
    const client = new Client(path);
    expect(await client.send('subscribe', { events: ['frame', 'dropped'] })).toMatchObject({
      status: 'success',
    });
    const frames: unknown[] = [];
    const subscription = bridge.frames$.subscribe(({ sequence, crc32: crc }) => frames.push([sequence, crc]));
    client.write('{"command":"start_stream"}');
    const seen: unknown[] = [];
    let started = false;
    while (seen.length < 5) {
      const line = await client.next();
      if (line['type'] === 'frame') seen.push([line['sequence'], line['crc32']]);
      else if (line['message'] === 'Streaming started') started = true;
    }
    subscription.unsubscribe();
    expect(started).toBe(true);
    expect(seen).toEqual(frames.slice(0, 5));
  });

  it('a subscriber that leaves does no harm', async () => {
    const { bridge, path } = await controlled({ streaming: true, virtual: { fps: 'max' } });
    const client = new Client(path);
    expect(await client.send('subscribe')).toMatchObject({ status: 'success' });
    client.socket.destroy();
    await client.closed;
    await firstValueFrom(bridge.frames$);
    expect(await ask(path, 'get_status')).toMatchObject({ streaming: true });
  });
});

describe('stopping', () => {
  it('really stops: no frame is pulled until it is started, then none is stale', async () => {
    const { bridge, path } = await controlled({ streaming: true });
    await firstValueFrom(bridge.frames$);
    await ask(path, 'stop_stream');
    let pulled = 0;
    const subscription = bridge.frames$.subscribe(() => pulled++);
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(pulled).toBe(0);
    await ask(path, 'set_format', { width: 160, height: 120 });
    const first = firstValueFrom(bridge.frames$);
    await ask(path, 'start_stream');
    expect((await first).width).toBe(160);
    subscription.unsubscribe();
  });
});
