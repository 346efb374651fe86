import { spawn } from 'node:child_process';
import { chmodSync, existsSync, lstatSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ControlServer } from '../../../src/control/index.js';
import { ask, atEnd, Client, controlled, socketPath } from './support.js';

const INDEX = fileURLToPath(new URL('../../../dist/control/index.js', import.meta.url));

async function serve(path = socketPath()): Promise<{ server: ControlServer; path: string }> {
  const server = await ControlServer.open(path);
  atEnd(() => server.close());
  return { server, path };
}

/** A socket whose owner was killed. */
async function staleSocket(): Promise<string> {
  const path = socketPath();
  const program = `import { ControlServer } from ${JSON.stringify(INDEX)}; await ControlServer.open(${JSON.stringify(path)}); console.log('open');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('close', resolve));
  expect(lstatSync(path).isSocket()).toBe(true);
  return path;
}

describe('the socket', () => {
  it("is its user's alone, and is removed when it is closed", async () => {
    const { server, path } = await serve();
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await server.close();
    await server.close();
    expect(existsSync(path)).toBe(false);
  });

  it('takes a stale socket over', async () => {
    const { path } = await serve(await staleSocket());
    expect(await ask(path, 'list_cameras')).toEqual({ status: 'success', cameras: [] });
  });

  it('leaves a live one alone', async () => {
    const { path } = await serve();
    await expect(ControlServer.open(path)).rejects.toMatchObject({
      code: 'FILE_FAILED',
      message: expect.stringContaining('running program'),
    });
    expect(await ask(path, 'list_cameras')).toMatchObject({ status: 'success' });
  });

  it('leaves what is no socket alone', async () => {
    const path = socketPath();
    writeFileSync(path, 'mine');
    await expect(ControlServer.open(path)).rejects.toMatchObject({ code: 'FILE_FAILED' });
    expect(existsSync(path)).toBe(true);
  });

  it('leaves the socket of a program that has taken its name since', async () => {
    const { server, path } = await serve();
    const { unlinkSync } = await import('node:fs');
    unlinkSync(path);
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(path, resolve));
    atEnd(() => other.close());
    await server.close();
    expect(existsSync(path)).toBe(true);
  });

  it('is removed when its program ends without closing it', async () => {
    const path = socketPath();
    const program = `import { ControlServer } from ${JSON.stringify(INDEX)}; await ControlServer.open(${JSON.stringify(path)}); process.exit(0);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], { stdio: 'inherit' });
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(0);
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ['/nonexistent/control.sock', 'FILE_FAILED', /the folder \/nonexistent does not exist/],
    ['/etc/passwd/control.sock', 'FILE_FAILED', /\/etc\/passwd is no folder/],
    ['/proc/control.sock', 'FILE_FAILED', /Choose another path/],
    [`/tmp/${'x'.repeat(120)}`, 'OPTION_INVALID', /97 bytes/],
    ['', 'OPTION_INVALID', /1 to/],
  ])('says why it cannot be at %j', async (path, code, words) => {
    const opening = ControlServer.open(path);
    await expect(opening).rejects.toMatchObject({ code, message: expect.stringMatching(words) });
  });

  it('does not take a socket from an owner that refuses us', async () => {
    const { path } = await serve();
    chmodSync(path, 0o000);
    await expect(ControlServer.open(path)).rejects.toMatchObject({ code: 'FILE_FAILED' });
    expect(existsSync(path)).toBe(true);
  });
});

describe('a connection', () => {
  it('answers every kind of mistake and stays usable', async () => {
    const { path } = await controlled();
    const client = new Client(path);
    const mistakes: [string, RegExp][] = [
      ['{"command": get_status}\n', /Invalid JSON/],
      ['nonsense\n', /JSON object/],
      ['{"command":"get_sta\n', /Invalid JSON/],
      ['[1]', /Invalid command/],
      ['{}', /command/],
      ['{"command":7}', /command/],
      ['{"command":"fly"}', /Unknown command: fly/],
      ['{"command":"get_status","params":[]}', /params/],
      ['{"command":"get_status","params":{"speed":1}}', /speed/],
      ['{"command":"set_brightness"}', /value/],
      ['{"command":"set_brightness","params":{"value":"bright"}}', /value/],
      ['{"command":"set_brightness","params":{"value":"256"}}', /value.*255/],
      ['{"command":"set_exposure","params":{"mode":"manual"}}', /value.*needed/],
      ['{"command":"set_exposure","params":{"mode":"sometimes"}}', /mode/],
      ['{"command":"set_gamma","params":{"value":"1e9"}}', /value/],
      ['{"command":"set_ehdr_mode","params":{"mode":"2"}}', /mode/],
      ['{"command":"set_ehdr_ratio_min","params":{"value":"129"}}', /value/],
      ['{"command":"set_format","params":{"width":"640"}}', /height/],
      ['{"command":"set_format","params":{"width":640,"height":480,"format":"H264"}}', /format/],
      ['{"command":"set_pipeline","params":{"pipeline":"! fakesink"}}', /GStreamer pipeline/],
      ['{"command":"enable_shared_memory","params":{"buffer_size":"12"}}', /buffer_size/],
      ['{"command":"get_status","camera":"nobody"}', /there is no nobody/],
      ['{"command":"get_status","params":{"camera":5}}', /camera/],
      ['{"command":"get_statu"}', /get_statu.*ctl --help/],
      [
        '{"command":"set_brightness","params":{"value":50,"speed":3}}',
        /no parameter "speed".*value=0\.\.255/,
      ],
      ['{"command":"set_brightness","params":{"value":null}}', /"value".*null.*whole number from 0 to 255/],
      ['{"command":"set_exposure"}', /"mode".*missing.*auto.*manual/],
      [
        '{"command":"set_exposure","params":{"mode":"manual","value":1,"exposure_us":1}}',
        /value.*exposure_us/,
      ],
      ['{"command":"set_gain"}', /"value".*missing/],
      ['{"command":"set_orientation"}', /mirror.*flip/],
      ['{"command":"set_orientation","params":{"flip":"maybe"}}', /"flip".*true or false/],
      ['{"command":"set_pipeline"}', /"pipeline".*missing/],
      ['{"command":"snapshot","params":{"path":5}}', /"path".*text/],
      ['{"command":"subscribe","params":{"events":"frame,nonsense"}}', /nonsense.*frame.*result/],
      ['{"command":"subscribe","params":{"events":[]}}', /events/],
      ['{"command":"subscribe","params":{"events":5}}', /"events".*frame.*result/],
      ['{"command":"get_status","params":"x"}', /"params".*object/],
      [`{"command":"${'x'.repeat(700_000)}"}`, /at most/],
    ];
    for (const [text, message] of mistakes) {
      client.write(text);
      const reply = await client.next();
      expect(reply, text.slice(0, 80)).toEqual({ status: 'error', message: expect.stringMatching(message) });
    }
    expect(await client.send('get_status')).toMatchObject({ status: 'success' });
  });

  it('answers several commands of one write in their order', async () => {
    const { path } = await controlled();
    const client = new Client(path);
    client.write(
      '{"command":"get_status"}\n{"command":"set_gain","params":{"value":3}}{"command":"list_cameras"}',
    );
    expect(await client.next()).toMatchObject({ streaming: false });
    expect(await client.next()).toMatchObject({ message: 'Gain set successfully' });
    expect((await client.next())['cameras']).toHaveLength(1);
  });

  it('understands commands that come byte by byte', async () => {
    const { path } = await controlled();
    const client = new Client(path);
    for (const byte of '{"command": "set_gain",\n "params": {"value": "4"}}') {
      client.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.next()).toEqual({ status: 'success', message: 'Gain set successfully' });
  });

  it('ignores what has no meaning in auto mode, as the documents say', async () => {
    const { path } = await controlled();
    for (const [command, params] of [
      ['set_exposure', { mode: 'auto', value: '0' }],
      ['set_exposure', { mode: 'auto', value: '' }],
      ['set_whitebalance', { mode: 'auto', temperature: '0' }],
      ['set_gain', { mode: 'auto', value: 'any' }],
      ['set_gain', { mode: 'manual', value: '100' }],
    ] as const) {
      expect(await ask(path, command, params), command).toMatchObject({ status: 'success' });
    }
  });

  it('understands commands that end with a NUL, as those of C programs may', async () => {
    const { path } = await controlled();
    const client = new Client(path);
    client.write('{"command":"get_status"}\0');
    expect(await client.next()).toMatchObject({ streaming: false });
    client.write('{"command":"list_cameras"}\0\n{"command":"get_status"}');
    expect((await client.next())['cameras']).toHaveLength(1);
    expect(await client.next()).toMatchObject({ streaming: false });
  });

  it('serves several clients at once', async () => {
    const { path, bridge } = await controlled({ streaming: true });
    const clients = Array.from({ length: 8 }, () => new Client(path));
    const replies = await Promise.all(
      clients.flatMap((client, index) => [
        client.send('set_gain', { value: index }),
        client.send(index % 2 ? 'get_settings' : 'get_status'),
      ]),
    );
    expect(replies.map(({ status }) => status)).toEqual(replies.map(() => 'success'));
    expect((await bridge.camera.controls.get()).gain.auto).toBe(false);
  });

  it('ends a connection whose client has ended its side, after the last reply', async () => {
    const { path } = await controlled();
    const client = new Client(path);
    client.socket.end('{"command":"get_status"}{"command":"list_cameras"}');
    expect(await client.next()).toMatchObject({ status: 'success' });
    expect(await client.next()).toMatchObject({ status: 'success' });
    await client.closed;
  });

  it('keeps a connection open for as long as its client does', async () => {
    const { path } = await controlled();
    const client = new Client(path);
    for (let turn = 0; turn < 2; turn++) {
      client.write('{"command":"get_status"}\n');
      expect(await client.next()).toMatchObject({ status: 'success' });
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
    expect(client.socket.destroyed).toBe(false);
  });

  it('survives clients that leave in the middle', async () => {
    const { path } = await controlled();
    for (const text of ['{"command":"get_sett', '{"command":"get_settings"}', '']) {
      const client = new Client(path);
      client.write(text);
      client.socket.destroy();
    }
    expect(await ask(path, 'get_status')).toMatchObject({ status: 'success' });
  });

  it('takes at most a number of clients', async () => {
    const { path } = await serve();
    const clients = Array.from({ length: 64 }, () => new Client(path));
    await Promise.all(clients.map((client) => client.send('list_cameras')));
    const beyond = new Client(path);
    expect(await beyond.next()).toMatchObject({ status: 'error', message: expect.stringContaining('64') });
    clients[0]!.socket.end();
    await clients[0]!.closed;
    await expect.poll(() => ask(path, 'list_cameras')).toMatchObject({ status: 'success' });
  });
});

describe('clients that do not go', () => {
  const descriptors = () => readdirSync('/proc/self/fd').length;

  it('a refused client costs no descriptor, although it stays', async () => {
    const { path } = await serve();
    const clients = Array.from({ length: 64 }, () => new Client(path));
    await Promise.all(clients.map((client) => client.send('list_cameras')));
    const sockets: Socket[] = [];
    const before = descriptors();
    for (let count = 0; count < 50; count++) {
      const socket = connect({ path, allowHalfOpen: true });
      socket.on('error', () => undefined);
      sockets.push(socket);
      const reply = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(`${data}`)));
      expect(JSON.parse(reply)).toMatchObject({ status: 'error', message: expect.stringContaining('64') });
    }
    // Only our own end of each.
    await expect.poll(() => descriptors() - before).toBeLessThanOrEqual(50);
    for (const socket of sockets) socket.destroy();
  });

  it('drops one that sends nothing, unless it has subscribed', async () => {
    const { bridge } = await controlled();
    const path = socketPath();
    // Longer than one look at what is unread.
    const server = await ControlServer.open(path, { idleMs: 700, unreadMs: 200 });
    atEnd(() => server.close());
    server.add(bridge);
    const [idle, subscribed] = [new Client(path), new Client(path)];
    expect(await subscribed.send('subscribe')).toMatchObject({ status: 'success' });
    expect(await idle.send('get_status')).toMatchObject({ status: 'success' });
    await idle.closed;
    expect(await subscribed.send('get_status')).toMatchObject({ status: 'success' });
  });

  it('drops one that reads nothing', async () => {
    const { bridge } = await controlled();
    const path = socketPath();
    const server = await ControlServer.open(path, { unreadMs: 300 });
    atEnd(() => server.close());
    server.add(bridge);
    const client = new Client(path);
    client.socket.pause();
    client.write('{"command":"get_formats"}\n'.repeat(1_000));
    // A client that does not read learns of the end when it writes.
    const writing = setInterval(() => client.write('{"command":"get_status"}\n'), 100);
    atEnd(() => clearInterval(writing));
    await client.closed;
    expect(await ask(path, 'get_status')).toMatchObject({ status: 'success' });
  });

  it('closes although its clients stay', async () => {
    const { bridge } = await controlled();
    const path = socketPath();
    const server = await ControlServer.open(path);
    server.add(bridge);
    const clients = Array.from({ length: 66 }, () => new Client(path));
    clients[0]!.socket.pause();
    clients[0]!.write('{"command":"get_formats"}\n'.repeat(1_000));
    expect(await clients[1]!.send('get_status')).toMatchObject({ status: 'success' });
    await server.close();
    expect(existsSync(path)).toBe(false);
  });
});

describe('a bridge that has ended', () => {
  it('is no longer in the list', async () => {
    const { bridge, path } = await controlled();
    expect((await ask(path, 'list_cameras'))['cameras']).toHaveLength(1);
    await bridge.close();
    expect(await ask(path, 'list_cameras')).toEqual({ status: 'success', cameras: [] });
    expect(await ask(path, 'get_status')).toMatchObject({ status: 'error' });
  });
});

describe('limits of a message', () => {
  it.each([
    ['depth', `{"command":"get_status","params":${'['.repeat(5_000)}`, /nested more than 64 deep/],
    ['values', `{"command":"get_status","params":[${'1,'.repeat(100_000)}`, /too many values/],
    ['bytes', `{"command":"get_status","params":"${'x'.repeat(700_000)}`, /at most \d+ bytes/],
  ])('%s: the reply says which', async (_what, text, words) => {
    const { path } = await serve();
    const client = new Client(path);
    client.write(`${text}\n`);
    expect(await client.next()).toEqual({ status: 'error', message: expect.stringMatching(words) });
    expect(await client.send('list_cameras')).toMatchObject({ status: 'success' });
  });

  it('a command that is mistyped gets names like it', async () => {
    const { path } = await serve();
    expect(await ask(path, 'get_statsu')).toMatchObject({ message: expect.stringContaining('get_status') });
  });
});
