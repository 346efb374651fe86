/** The server ends, whatever its clients do. */
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import { FakeBridge } from '../../fakes/fake-bridge.js';
import { Program } from '../program/program.js';
import { ask, atEnd, EventClient, raw, request, serve, shown, until, Viewer } from './support.js';

it('closes under clients of every kind', async () => {
  const server = await serve();
  const bridge = await shown(server);
  const clients = [
    raw(server),
    raw(server, 'GET / HTTP/1.1\r\nHost: loc'),
    raw(server, request(server, '/stream.mjpg')),
    raw(server, request(server, '/events')),
    raw(server, request(server, '/api/cameras')),
  ];
  const stalled = raw(server, request(server, '/stream.mjpg'));
  stalled.socket.pause();
  const viewer = new Viewer(server);
  await viewer.next();
  const deaf = new Viewer(server);
  await deaf.opened;
  deaf.socket.pause();
  const events = new EventClient(server);
  await until('events', () => events.events.length > 2);
  const { hostname, port } = new URL(server.url);
  await server.close();
  await server.close();
  await Promise.all([...clients.map(({ closed }) => closed), events.closed]);
  expect([1001, 1006]).toContain(await viewer.closed);
  const refused = await new Promise((resolve) => {
    const socket = connect({ host: hostname, port: Number(port) });
    socket.once('error', resolve).once('connect', resolve);
    atEnd(() => socket.destroy());
  });
  expect(refused).toMatchObject({ code: 'ECONNREFUSED' });
  // The camera goes on.
  expect(bridge.state).toBe('streaming');
});

it('closes by a signal, before and after it listens', async () => {
  const abort = new AbortController();
  const server = await serve({}, { signal: abort.signal });
  const viewer = raw(server, request(server, '/events'));
  await until('it answers', () => viewer.text().includes('200 OK'));
  abort.abort(new Error('enough'));
  await viewer.closed;
  await expect(serve({}, { signal: abort.signal })).rejects.toThrow('enough');
});

it('a port that is taken says so', async () => {
  const server = await serve();
  const { port } = new URL(server.url);
  await expect(serve({ http: port })).rejects.toMatchObject({
    code: 'HTTP_FAILED',
    message: expect.stringContaining('another program listens there'),
  });
});

it('a camera that comes after the end is not followed', async () => {
  const server = await serve();
  await server.close();
  const fake = new FakeBridge();
  server.add(fake.bridge);
  fake.end();
});

it('the program ends at Ctrl-C while viewers watch, and says where the page is', async () => {
  const program = new Program([
    '--port',
    'virtual',
    '--no-shm',
    '--http',
    '0',
    '--virtual-id',
    '77',
    '--json',
  ]);
  await until('the page is told', () => /page: http:\/\/127\.0\.0\.1:\d+\//.test(program.stderr));
  const url = /page: (\S+)/.exec(program.stderr)![1]!;
  const server = { url } as Parameters<typeof raw>[0];
  await program.line(({ type }) => type === 'frame');
  const clients = [raw(server, request(server, '/stream.mjpg')), raw(server, request(server, '/events'))];
  const viewer = new Viewer(server);
  await viewer.next();
  clients[0]!.socket.pause();
  program.kill('SIGINT');
  const { status } = await program.ended;
  expect(status).toBe(0);
});

it('the program refuses an address of the network without a token, and a taken port', async () => {
  const open = new Program(['--port', 'virtual', '--no-shm', '--http', '0.0.0.0:0', '--frames', '1']);
  expect(await open.ended).toMatchObject({ status: 2, stderr: expect.stringContaining('OPTION_INVALID') });
  const server = await serve();
  const { port } = new URL(server.url);
  const taken = new Program(['--port', 'virtual', '--no-shm', '--http', port, '--frames', '1']);
  expect(await taken.ended).toMatchObject({ status: 2, stderr: expect.stringContaining('HTTP_FAILED') });
  const idle = new Program(['--port', 'virtual', '--no-shm', '--http-token', 'x', '--frames', '1']);
  expect(await idle.ended).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--http-token has no effect'),
  });
});

it('the program serves the page while it waits for a camera', async () => {
  const program = new Program(['--port', '/dev/openmv-not-there', '--wait', '--no-shm', '--http', '0']);
  await until('the page is told', () => /page: \S+/.test(program.stderr));
  const server = { url: /page: (\S+)/.exec(program.stderr)![1]! } as Parameters<typeof ask>[0];
  await until('what it waits for', async () => (await ask(server, '/api/cameras')).body.waiting.length === 1);
  expect(await ask(server, '/readyz')).toMatchObject({
    status: 503,
    body: { reasons: [{ camera: '/dev/openmv-not-there', code: 'PORT_NOT_FOUND' }] },
  });
  expect((await ask(server, '/healthz')).status).toBe(200);
  program.kill('SIGTERM');
  expect((await program.ended).status).toBe(0);
});
