/** `--mqtt` at the command line: what a plant's broker is told, also when the bridge dies or stops. */
import { execFileSync, spawn } from 'node:child_process';
import { describe, expect, it, vi } from 'vitest';
import { needs } from '../../support/needs.js';
import { MAIN, Program } from '../program/program.js';
import { ODD_NG } from '../web/support.js';
import { atEnd, Listener, mosquitto, until } from './mosquitto.js';

// Many processes one after the other.
vi.setConfig({ testTimeout: 180_000 });

const CAMERA = ['--port', 'virtual', '--no-shm', '--camera-id', 'cam-1'];

function start(...args: string[]): Program {
  const program = new Program([...CAMERA, ...args]);
  atEnd(async () => {
    program.kill('SIGKILL');
    await program.ended;
  });
  return program;
}

describe('--mqtt', () => {
  it('tells results, events and figures in the form of the JSON lines, and that it is there', async () => {
    const broker = await mosquitto();
    const listener = await Listener.open(broker.url);
    const program = start(
      ...['--json', '--mqtt', broker.url, '--site', 'hall', '--delivery', 'every'],
      ...['--', ...ODD_NG],
    );
    await until('online', () => listener.last('status') === 'online');
    await until(
      'results and figures',
      () => listener.of('result').length > 30 && listener.of('stats').length > 0,
    );
    program.kill('SIGTERM');
    expect((await program.ended).status, program.stderr).toBe(0);
    await until('offline', () => listener.last('status') === 'offline');

    const prefix = 'openmv/hall/cam-1';
    const topics = new Set(listener.received.map(({ topic }) => topic));
    expect([...topics].sort()).toEqual(
      ['event', 'result', 'stats', 'status'].map((kind) => `${prefix}/${kind}`),
    );
    // Nothing lost or doubled, in order, and as on stdout, but for when each was written.
    const bare = (line: object) => ({ ...line, timestampMs: 0 });
    const results = listener.of('result').map(({ json }) => bare(json));
    expect(results).toEqual(program.of('result').map(bare));
    expect(listener.of('event').map(({ json }) => json.type)).toContain('connected');
    expect(listener.of('stats').at(-1)!.json).toMatchObject({ type: 'stats', cameraId: 'cam-1' });
    expect(new Set(listener.of('status').map(({ text }) => text))).toEqual(new Set(['online', 'offline']));
    expect(program.of('error')).toEqual([]);
  });

  it('says offline by its last will when it is killed, to those who come later as well', async () => {
    const broker = await mosquitto();
    const program = start('--mqtt', broker.url);
    const early = await Listener.open(broker.url, 'openmv/local/cam-1/status');
    await until('online', () => early.last('status') === 'online');
    program.kill('SIGKILL');
    await until('offline', () => early.last('status') === 'offline');
    const late = await Listener.open(broker.url, 'openmv/local/cam-1/status');
    await until('retained', () => late.last('status') === 'offline');
    expect(late.received[0]!.packet.retain).toBe(true);
  });

  it('is heard by mosquitto_sub', async () => {
    needs('mosquitto-clients');
    const broker = await mosquitto();
    const sub = spawn('mosquitto_sub', [
      '-p',
      String(broker.port),
      '-t',
      'openmv/+/+/status',
      '-C',
      '1',
      '-W',
      '40',
    ]);
    let said = '';
    sub.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const ended = new Promise((resolve) => sub.once('close', resolve));
    start('--mqtt', broker.url);
    expect(await ended).toBe(0);
    expect(said).toBe('online\n');
  });

  it('carries out commands that arrive on the topic of the camera', async () => {
    const broker = await mosquitto();
    const listener = await Listener.open(broker.url);
    start('--mqtt', broker.url);
    await until('online', () => listener.last('status') === 'online');
    const ask = (message: object) =>
      listener.client.publishAsync('openmv/local/cam-1/command', JSON.stringify(message), { qos: 1 });
    await ask({ command: 'set_gain', params: { value: 12 }, id: 7 });
    await ask({ command: 'get_stats', id: 'eight' });
    await until('two replies', () => listener.of('reply').length === 2);
    expect(listener.of('reply').map(({ json }) => json)).toMatchObject([
      { id: 7, status: 'success' },
      { id: 'eight', status: 'success', camera: 'cam-1', streaming: true },
    ]);
  });

  it('shows the camera in Home Assistant: announced, with a picture a second, and a yield', async () => {
    const broker = await mosquitto();
    const listener = await Listener.open(broker.url, '#');
    start('--json', '--mqtt', broker.url, '--mqtt-discovery', '--', ...ODD_NG);
    await until('pictures', () => listener.of('picture').length > 1);
    const { payload } = listener.of('picture').at(-1)!.packet;
    expect(Buffer.from(payload).subarray(0, 3)).toEqual(Buffer.from([0xff, 0xd8, 0xff]));
    const topics = listener.of('config').map(({ topic }) => topic);
    expect(topics).toContain('homeassistant/camera/openmv_local_cam-1/picture/config');
    expect(topics).toContain('homeassistant/sensor/openmv_local_cam-1/yield/config');
    const { algorithm } = listener.of('stats').at(-1)!.json;
    expect(algorithm).toMatchObject({ ok: expect.any(Number), ng: expect.any(Number) });
  });

  it('needs a URL of MQTT, and shows no password of a wrong one', async () => {
    const program = start('--mqtt', 'https://user:secret@broker');
    const { status, stdout, stderr } = await program.ended;
    expect(status).toBe(2);
    expect(stderr).toMatch(/mqtt:\/\/HOST.*\(--mqtt\) \[OPTION_INVALID\]/);
    expect(stdout + stderr).not.toContain('secret');
    const words = [...CAMERA, '--mqtt', 'mqtt://user:secret@broker', '--print-config'];
    const printed = execFileSync(process.execPath, [MAIN, ...words], { encoding: 'utf8' });
    expect(JSON.parse(printed).mqtt).toBe('********');
  });
});
