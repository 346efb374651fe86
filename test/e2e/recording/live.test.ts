/** `--foxglove PORT`: the channels of a recording live, as the protocol's own client sees them. */
import { request } from 'node:http';
import protocol, { type Channel, type IWebSocket } from '@foxglove/ws-protocol';
import { afterEach, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { decode, type ReadMessage } from '../../support/recording.js';
import { Program, run } from '../program/program.js';
import { PORT } from '../program/support.js';

const ALGORITHM = ['--', process.execPath, 'test/e2e/program/adapters/paced.mjs', '0', 'odd-ng'];
const { FoxgloveClient } = protocol;
const PROTOCOL = FoxgloveClient.SUPPORTED_SUBPROTOCOL;
const WAIT = { timeout: 40_000 };

const programs: Program[] = [];
afterEach(async () => {
  for (const program of programs) program.kill('SIGKILL');
  await Promise.all(programs.splice(0).map(({ ended }) => ended));
});

/** A run that serves; its address. */
async function serve(...more: string[]): Promise<{ program: Program; url: string }> {
  const program = new Program([
    ...['--port', PORT, '--no-shm', '--json', '--camera-id', 'cam', '--delivery', 'every'],
    ...['--foxglove', '0', ...more, ...ALGORITHM],
  ]);
  programs.push(program);
  await program.line(({ type }) => type === 'frame');
  const [url] = /ws:\/\/127\.0\.0\.1:\d+\//.exec(program.stderr)!;
  return { program, url };
}

/** What a viewer gets that subscribes to everything. */
function view(url: string) {
  const client = new FoxgloveClient({ ws: new WebSocket(url, [PROTOCOL]) as unknown as IWebSocket });
  const channels = new Map<number, Channel>();
  const got: Pick<ReadMessage, 'topic' | 'schema' | 'value'>[] = [];
  client.on('advertise', (all) => {
    for (const channel of all) channels.set(client.subscribe(channel.id), channel);
  });
  client.on('message', ({ subscriptionId, data }) => {
    const { topic, schemaName, schema, encoding, schemaEncoding } = channels.get(subscriptionId)!;
    const bytes = Buffer.from(schema, schemaEncoding === 'protobuf' ? 'base64' : 'utf8');
    const message = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const value = decode({ messageEncoding: encoding }, { name: schemaName, data: bytes }, message);
    got.push({ topic, schema: schemaName, value });
  });
  return { client, got };
}

it('serves frames, annotations, results, events and figures to viewers', async () => {
  const { program, url } = await serve();
  const { client, got } = view(url);
  const of = (topic: string) => got.filter((one) => one.topic === topic);
  await vi.waitUntil(() => of('/cam/stats').length > 0 && of('/cam/annotations').length > 3, WAIT);
  const [frame] = of('/cam/frame');
  expect(frame!.schema).toBe('foxglove.CompressedImage');
  expect([...frame!.value.data.subarray(0, 2)]).toEqual([0xff, 0xd8]);
  const image = (one: (typeof got)[number]): boolean => one.topic === '/cam/frame';
  const { sec, nsec } = of('/cam/annotations').at(-1)!.value.texts[0].timestamp;
  const times = got.filter(image).map(({ value }) => value.timestamp);
  expect(times).toContainEqual({ seconds: sec, nanos: nsec });
  expect(of('/cam/result')[0]!.value.type).toBe('result');
  expect(of('/cam/event').some(({ value }) => value.type === 'frame')).toBe(true);
  client.close();
  program.kill('SIGINT');
  expect((await program.ended).status).toBe(0);
});

it('a viewer that does not read costs the others nothing', async () => {
  const { program, url } = await serve('--virtual-fps', 'max');
  const stalled = new WebSocket(url, [PROTOCOL]);
  const client = new FoxgloveClient({ ws: stalled as unknown as IWebSocket });
  client.on('advertise', (channels) => {
    for (const { id } of channels) client.subscribe(id);
    stalled.pause();
  });
  const { got, client: other } = view(url);
  const seen = (): number => got.filter(({ topic }) => topic === '/cam/frame').length;
  await vi.waitUntil(() => seen() > 600, WAIT);
  other.close();
  stalled.terminate();
  program.kill('SIGINT');
  expect((await program.ended).status).toBe(0);
});

/** The status with which a WebSocket is answered; 101: it is opened. */
const upgrade = (url: string, headers: Record<string, string> = {}): Promise<number> =>
  new Promise((resolve, reject) => {
    const asked = request(url.replace(/^ws/, 'http'), {
      headers: {
        ...{ Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13' },
        ...{ 'Sec-WebSocket-Key': Buffer.alloc(16).toString('base64'), 'Sec-WebSocket-Protocol': PROTOCOL },
        ...headers,
      },
    });
    asked.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.statusCode!);
    });
    asked.on('response', (response) => {
      response.resume();
      resolve(response.statusCode!);
    });
    asked.on('error', reject);
    asked.end();
  });

it('serves this machine only, and no foreign web site; other machines with the token', async () => {
  const { url } = await serve();
  expect(await upgrade(url)).toBe(101);
  expect(await upgrade(url, { Origin: 'https://app.foxglove.dev' })).toBe(101);
  expect(await upgrade(url, { Origin: 'http://localhost:8080' })).toBe(101);
  expect(await upgrade(url, { Origin: 'https://example.com' })).toBe(403);
  expect(await upgrade(url, { Origin: 'https://foxglove.dev.example.com' })).toBe(403);
  expect(await upgrade(url, { Host: 'example.com' })).toBe(403);
  const guarded = await serve('--http-token', 'secret');
  expect(await upgrade(guarded.url)).toBe(401);
  expect(await upgrade(`${guarded.url}?token=wrong`)).toBe(401);
  expect(await upgrade(`${guarded.url}?token=secret`, { Host: 'camera.example.com' })).toBe(101);
  const { status, stderr } = await run(['--port', 'virtual', '--no-shm', '--foxglove', '0.0.0.0:0']);
  expect(stderr).toContain('give a token as well');
  expect(status).toBe(2);
});
