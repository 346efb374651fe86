/** A broker that requires TLS, a client certificate, a user name and a password; one that knows MQTT 3.1.1 only. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import type { BridgeError } from '../../../src/errors.js';
import { type BrokerHandlers, openMqtt } from '../../../src/fleet/index.js';
import { FakeBridge } from '../../fakes/fake-bridge.js';
import { needs } from '../../support/needs.js';
import { Program } from '../program/program.js';
import { atEnd, Listener, Mosquitto, mosquitto, until } from './mosquitto.js';

// Many processes one after the other.
vi.setConfig({ testTimeout: 180_000 });

/** An authority, and certificates by it for the broker and a client, in the broker's folder. */
function makeCertificates(broker: Mosquitto): void {
  const openssl = (...args: string[]) =>
    execFileSync('openssl', args, { cwd: broker.dir, stdio: ['ignore', 'ignore', 'pipe'] });
  openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=test authority'],
    ...['-keyout', 'ca.key', '-out', 'ca.pem'],
  );
  writeFileSync(broker.path('names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  for (const name of ['server', 'client']) {
    openssl(
      ...['req', '-newkey', 'rsa:2048', '-nodes', '-subj', `/CN=${name}`],
      ...['-keyout', `${name}.key`, '-out', `${name}.csr`],
    );
    openssl(
      ...['x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial'],
      ...['-days', '2', '-extfile', 'names', '-out', `${name}.pem`],
    );
  }
}

/** A broker that lets in only who has a certificate of its authority, and says `line` with the password `s3cret%`. */
async function guarded(): Promise<Mosquitto> {
  needs('openssl');
  const broker = await Mosquitto.start([
    ...['cafile DIR/ca.pem', 'certfile DIR/server.pem', 'keyfile DIR/server.key'],
    ...['require_certificate true', 'allow_anonymous false', 'password_file DIR/passwords'],
  ]);
  makeCertificates(broker);
  execFileSync('mosquitto_passwd', ['-b', '-c', broker.path('passwords'), 'line', 's3cret%']);
  return await broker.run();
}

const BASE = ['--port', 'virtual', '--no-shm', '--json', '--log-level', 'debug', '--camera-id', 'cam-1'];

describe('a broker that requires certificates and a password', () => {
  it('lets in who has them, from the URL, a file or the environment; no password is ever shown', async () => {
    const broker = await guarded();
    const host = `127.0.0.1:${broker.port}`;
    const files = [
      ...['--mqtt-ca', broker.path('ca.pem')],
      ...['--mqtt-cert', broker.path('client.pem'), '--mqtt-key', broker.path('client.key')],
    ];
    const credentials = broker.path('credentials');
    writeFileSync(credentials, 'line\ns3cret%\n');
    const run = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) => {
      const program = new Program([...BASE, ...args], { env: { ...process.env, ...env } });
      atEnd(() => program.kill('SIGKILL'));
      return program;
    };
    const ways: readonly [string[], NodeJS.ProcessEnv?][] = [
      [['--mqtt', `mqtts://line:s3cret%25@${host}`, ...files]],
      [['--mqtt', `mqtts://${host}`, ...files, '--mqtt-credentials', credentials]],
      [
        ['--mqtt', `mqtts://${host}`, ...files],
        { OPENMV_MQTT_USERNAME: 'line', OPENMV_MQTT_PASSWORD: 's3cret%' },
      ],
    ];
    for (const [args, env] of ways) {
      const before = broker.log.length;
      const program = await run(args, env);
      await until(`it is let in: ${program.stderr}`, () =>
        /Received SUBSCRIBE from openmv-local-cam-1/.test(broker.log.slice(before)),
      );
      program.kill('SIGTERM');
      const { status, stdout, stderr } = await program.ended;
      expect(status, stderr).toBe(0);
      expect(stdout + stderr).not.toContain('s3cret');
      expect(program.of('error')).toEqual([]);
    }
    const refused = async (args: readonly string[], words: RegExp, ...codes: string[]) => {
      const program = await run(args);
      const line = await program.line(({ type, sink }) => type === 'error' && sink === 'mqtt');
      expect(line['message']).toMatch(words);
      expect(codes).toContain(line['code']);
      // The cameras go on.
      await program.line(({ type, sequence }) => type === 'frame' && Number(sequence) > 5);
      program.kill('SIGTERM');
      const { status, stdout, stderr } = await program.ended;
      expect(status, stderr).toBe(0);
      expect(stdout + stderr).not.toContain('wr0ng');
    };
    await refused(
      ['--mqtt', `mqtts://line:wr0ng@${host}`, ...files],
      /refuses this user name.*--mqtt-credentials/,
      'BROKER_DENIED',
    );
    await refused(
      ['--mqtt', `mqtts://line:wr0ng@${host}`],
      /signed by no authority known here.*--mqtt-ca/,
      'BROKER_FAILED',
    );
    await refused(
      ['--mqtt', `mqtts://line:wr0ng@${host}`, ...files.slice(0, 2)],
      /certificate/,
      // The words of a broker that ends the connection may be lost on their way.
      ...['BROKER_DENIED', 'BROKER_FAILED'],
    );
    await refused(['--mqtt', `mqtt://line:wr0ng@${host}`], /Does it want TLS/, 'BROKER_FAILED');
  });
});

/** What the test is told, and a bridge that does what the test says. */
async function publishing(url: string) {
  const failures: BridgeError[] = [];
  const handlers: BrokerHandlers = {
    failed: (_camera, error) => failures.push(error),
    recovered: () => undefined,
    unsent: () => undefined,
  };
  const publisher = await openMqtt({ mqtt: url, site: 'local' }, handlers);
  atEnd(() => publisher.close());
  const bridge = new FakeBridge('cam-1');
  publisher.add(bridge.bridge);
  return { publisher, bridge, failures };
}

/** Passes on to a broker what speaks MQTT 3.1.1; refuses MQTT 5 as brokers do that do not know it. */
async function olderBroker(port: number): Promise<{ url: string; refused: () => number }> {
  let refused = 0;
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (connectPacket) => {
      const level = connectPacket[connectPacket.indexOf('MQTT') + 4];
      if (level !== 4) {
        refused++;
        socket.end(Buffer.from([0x20, 2, 0, 1]));
        return;
      }
      const broker = connect(port, '127.0.0.1');
      sockets.add(broker);
      broker.on('error', () => socket.destroy()).write(connectPacket);
      socket.pipe(broker).pipe(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address() as { port: number };
  return { url: `mqtt://127.0.0.1:${address.port}`, refused: () => refused };
}

it('a broker that knows MQTT 3.1.1 only is spoken to in that', async () => {
  const broker = await mosquitto();
  const older = await olderBroker(broker.port);
  const listener = await Listener.open(broker.url);
  const { failures } = await publishing(older.url);
  await until('online', () => listener.last('status') === 'online');
  expect(older.refused()).toBe(1);
  expect(failures).toEqual([]);
  await listener.client.publishAsync('openmv/local/cam-1/command', '{"command":"list_cameras"}', { qos: 1 });
  await until('a reply', () => listener.of('reply').length === 1);
  expect(listener.of('reply')[0]!.json).toMatchObject({ status: 'success' });
});

it('two bridges with cameras of one id are told of each other', async () => {
  const broker = await mosquitto();
  const { failures } = await publishing(broker.url);
  await publishing(broker.url);
  await until('it is said', () => failures.some(({ message }) => /needs a site of its own/.test(message)));
});

it('what the broker does not allow is said once, and counted', async () => {
  const broker = await Mosquitto.start(['allow_anonymous true', 'acl_file DIR/acl']);
  writeFileSync(broker.path('acl'), 'topic readwrite openmv/local/cam-1/status\ntopic read openmv/#\n');
  await broker.run();
  const { bridge, publisher, failures } = await publishing(broker.url);
  await until('connected', () => publisher.figures['cam-1']!.connected);
  for (let n = 0; n < 5; n++)
    bridge.events$.next({ type: 'stdout', runId: 'r', cameraId: 'cam-1', text: 'x' });
  await until('refused', () => publisher.figures['cam-1']!.lost === 5);
  expect(failures.map(({ message }) => message)).toEqual([
    expect.stringMatching(/Not authorized \(openmv\/local\/cam-1\/event\)/),
  ]);
});
