/** `--nats`: what arrives at a real server, what is kept there, and what becomes of it when the server goes. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import type { Msg } from '@nats-io/transport-node';
import { describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';
import { Program, run } from '../program/program.js';
import { crcOf, EXAMPLE_NODE, expectSequence } from '../program/support.js';
import { storedMessages, TestNats } from './nats-server.js';

const BASE = ['--port', 'virtual', '--no-shm', '--json', '--camera-id', 'cam'] as const;

describe('a run with a NATS server', () => {
  it('publishes frames, results, events, figures and its status', async () => {
    const nats = await TestNats.start();
    const client = await nats.client();
    const heard: Msg[] = [];
    client.subscribe('openmv.hall.cam.*', { callback: (_error, message) => void heard.push(message) });
    await client.flush();
    const of = (kind: string): Msg[] => heard.filter(({ subject }) => subject === `openmv.hall.cam.${kind}`);
    const program = new Program([
      ...BASE,
      '--nats',
      nats.url,
      '--site',
      'hall',
      '--frames',
      '45',
      '--',
      'node',
      EXAMPLE_NODE,
    ]);
    await program.line(({ type }) => type === 'frame');
    const asked = await client.request('openmv.hall.cam.status.get', '', { timeout: 20_000 });
    expect(asked.json()).toMatchObject({ status: 'online', site: 'hall', cameraId: 'cam' });
    const { status, stderr } = await program.ended;
    expect(status, stderr).toBe(0);
    await expect.poll(() => of('status').at(-1)?.json()).toMatchObject({ status: 'offline' });

    const frames = program.of('frame');
    expectSequence(frames, 45);
    expect(of('frame').map(({ headers }) => Number(headers?.get('Sequence')))).toEqual(
      frames.map(({ sequence }) => sequence),
    );
    for (const [index, { data, headers }] of of('frame').entries()) {
      const line = frames[index]!;
      expect(crcOf(Buffer.from(data))).toBe(line['crc32']);
      expect(headers?.get('Crc32')).toBe(line['crc32']);
      expect(headers?.get('Number')).toMatch(/^\d+$/);
      expect(headers?.get('Width')).toBe('320');
      expect(headers?.get('Height')).toBe('240');
      const captured = headers?.get('Captured-At-Ms');
      expect(captured === '' ? undefined : Number(captured)).toBe(line['capturedAtMs']);
    }
    expect(of('result').map((message) => message.json<{ requestId: string }>().requestId)).toEqual(
      program.of('result').map(({ requestId }) => requestId),
    );
    expect(of('event').map((message) => message.json<{ type: string }>().type)).toContain('connected');
    expect(of('stats').at(-1)?.json()).toMatchObject({
      delivered: 45,
      sinks: { nats: { written: 45, lost: 0 } },
    });
    expect(of('status')[0]?.json()).toMatchObject({ status: 'online' });
    // Who asks when there is no bridge any more is told so by the server.
    await expect(client.request('openmv.hall.cam.status.get')).rejects.toThrow(/no responders/i);
  });

  it('loses and doubles nothing with `every`, when the server is killed again and again', async () => {
    const nats = await TestNats.start('-js');
    const program = new Program([
      ...BASE,
      ...['--nats', nats.url, '--nats-stream', 'cams', '--nats-delivery', 'every', '--frames', '150'],
      ...['--delivery', 'every', '--', 'node', EXAMPLE_NODE],
    ]);
    for (const after of [30, 80]) {
      await program.line(({ type, sequence }) => type === 'frame' && sequence >= after);
      await nats.kill();
      // Nothing more comes than what was under way: the sensor waits.
      await expect.poll(() => program.of('error').length, { timeout: 30_000 }).toBeGreaterThan(0);
      await nats.start();
    }
    const { status, stderr } = await program.ended;
    expect(status, stderr).toBe(0);
    const frames = program.of('frame');
    expectSequence(frames, 150);
    const stored = await storedMessages(await nats.client(), 'cams');
    const kept = stored.filter(({ kind }) => kind === 'frame');
    expect(kept.map(({ header }) => Number(header('Sequence')))).toEqual(
      frames.map(({ sequence }) => sequence),
    );
    expect(kept.map(({ data }) => crcOf(Buffer.from(data)))).toEqual(frames.map(({ crc32 }) => crc32));
    const results = stored.filter(({ kind }) => kind === 'result').map(({ json }) => json()['requestId']);
    expect(results).toEqual(program.of('result').map(({ requestId }) => requestId));
    expect(results.length).toBe(150);
    // Each outage was told once, and that it is over.
    const errors = program.of('error').filter(({ code }) => code === 'BROKER_FAILED');
    const recovered = program.of('recovered').filter(({ sink }) => sink === 'nats');
    expect(errors.length).toBe(recovered.length);
    expect(recovered.length).toBeLessThanOrEqual(2);
    expect(program.of('stats').at(-1)).toMatchObject({
      sinks: { nats: { written: 150, lost: 0, skipped: 0 } },
    });
  });

  it('goes on without the server, counts what is lost, says so once, and publishes when it comes', async () => {
    const nats = await TestNats.start();
    await nats.kill();
    const program = new Program([...BASE, '--nats', nats.url]);
    await program.line(({ type, sequence }) => type === 'frame' && sequence >= 30);
    await nats.start();
    const recovered = await program.line(({ type }) => type === 'recovered');
    expect(recovered).toMatchObject({ sink: 'nats' });
    expect(recovered['lost']).toBeGreaterThan(0);
    expect(program.of('error').map(({ code }) => code)).toEqual(['BROKER_FAILED']);
    expect(program.of('error')[0]?.['message']).toMatch(/NATS at .* does not answer|lost|cannot be used/);
    await nats.kill();
    await expect.poll(() => program.of('error').length).toBe(2);
    const last = program.of('frame').length;
    await program.line(({ type, sequence }) => type === 'frame' && sequence > last + 30);
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
    const { sinks, delivered } = program.of('stats').at(-1) as unknown as {
      sinks: { nats: Record<'written' | 'lost' | 'skipped', number> };
      delivered: number;
    };
    const { written, lost, skipped } = sinks.nats;
    expect(written).toBeGreaterThan(0);
    expect(lost).toBeGreaterThan(30);
    expect(written + lost + skipped).toBe(delivered);
  });

  it('does not wait for a server that stands still', async () => {
    const nats = await TestNats.start();
    const program = new Program([...BASE, '--nats', nats.url]);
    await program.line(({ type, sequence }) => type === 'frame' && sequence >= 10);
    nats.stall();
    const before = program.of('frame').length;
    await program.line(({ type, sequence }) => type === 'frame' && sequence >= before + 60);
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
    const { sinks, delivered } = program.of('stats').at(-1)!;
    expectSequence(program.of('frame'), delivered);
    const { written, lost, skipped } = sinks.nats;
    expect(skipped + lost).toBeGreaterThan(30);
    expect(written + lost + skipped).toBe(delivered);
  });
});

describe('a stream', () => {
  it('is made with its limits, and one that was made by others stays as it is', async () => {
    const nats = await TestNats.start('-js');
    const client = await nats.client();
    const manager = await jetstreamManager(client);
    await manager.streams.add({ name: 'plant', subjects: ['openmv.>'], max_msgs: 1_000 });
    const kept = await run([...BASE, '--nats', nats.url, '--nats-stream', 'plant', '--frames', '3']);
    expect(kept.status, kept.stderr).toBe(0);
    const { config, state } = await manager.streams.info('plant');
    expect(config.subjects).toEqual(['openmv.>']);
    expect(config).toMatchObject({ max_msgs: 1_000, max_bytes: -1 });
    expect(state.messages).toBeGreaterThan(3);
    await manager.streams.delete('plant');
    const made = await run([
      ...[...BASE, '--nats', nats.url, '--nats-stream', 'mine', '--frames', '3'],
      ...['--nats-max-age', '1h', '--nats-max-bytes', '2M'],
    ]);
    expect(made.status, made.stderr).toBe(0);
    const info = await manager.streams.info('mine');
    expect(info.config).toMatchObject({ max_age: 3_600e9, max_bytes: 2 * 2 ** 20 });
    expect(info.config.subjects).toContain('openmv.local.*.frame');
    // The last value of each subject can be asked for.
    const last = await manager.streams.getMessage('mine', { last_by_subj: 'openmv.local.cam.status' });
    expect(last?.json()).toMatchObject({ status: 'offline' });
  });

  it('of a server without JetStream is told of once, and costs no frame at the other places', async () => {
    const nats = await TestNats.start();
    const { status, stdout } = await run([
      ...BASE,
      '--nats',
      nats.url,
      '--nats-stream',
      'cams',
      '--frames',
      '10',
    ]);
    const lines = stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
    expect(status).toBe(0);
    const errors = lines.filter(({ type }) => type === 'error');
    expect(errors.map(({ code }) => code)).toEqual(['BROKER_FAILED']);
    expect(errors[0].message).toContain('no JetStream');
    expect(lines.filter(({ type }) => type === 'frame').length).toBe(10);
  });
});

describe('what cannot be published', () => {
  it('is a frame above the size that the server takes: the error names the setting', async () => {
    const nats = await TestNats.start();
    const conf = join(nats.dir, 'small.conf');
    writeFileSync(conf, 'max_payload: 8KB\n');
    const small = await TestNats.start('-c', conf);
    const program = new Program([...BASE, '--nats', small.url, '--frames', '5']);
    expect((await program.ended).status).toBe(0);
    const [error, ...more] = program.of('error');
    expect(more).toEqual([]);
    expect(error?.['message']).toMatch(/max_payload is 8192\. Set max_payload: 1MB/);
    expect(program.of('stats').at(-1)).toMatchObject({ sinks: { nats: { written: 0, lost: 5 } } });
  });

  it('is a camera whose id would be several words of a subject', async () => {
    const nats = await TestNats.start();
    const { status, stderr } = await run([
      ...['--port', 'virtual', '--no-shm', '--frames', '2', '--camera-id', 'a.b', '--nats', nats.url],
    ]);
    expect(status).toBe(2);
    expect(stderr).toContain('"a.b" cannot be the name of a camera at a broker');
    expect(stderr).toContain('--camera-id');
  });

  it('is anything with `every` and no stream', async () => {
    const wrong = await run([...BASE, '--nats', 'nats://127.0.0.1:1', '--nats-delivery', 'every']);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr + wrong.stdout).toMatch(/natsStream|--nats-stream/);
    const secret = await run([...BASE, '--nats', 'nats://me:secret@127.0.0.1:1']);
    expect(secret.status).toBe(2);
    expect(secret.stderr + secret.stdout).toContain('NATS_USER');
  });
});

describe('a server that requires TLS and credentials', () => {
  it('takes who has both, and the error says what is missing', async () => {
    needs('nats-server', 'openssl');
    const plain = await TestNats.start();
    const file = (name: string): string => join(plain.dir, name);
    certificates(plain.dir);
    writeFileSync(
      file('tls.conf'),
      `tls { cert_file: "${file('server.pem')}", key_file: "${file('server.key')}", ca_file: "${file('ca.pem')}" }
       authorization { user: line, password: "s3cret" }\n`,
    );
    const nats = await TestNats.start('-c', file('tls.conf'));
    const ended = async (flags: string[], env: Record<string, string>) => {
      const program = new Program([...BASE, '--nats', nats.url, '--frames', '3', ...flags], {
        env: { ...process.env, ...env },
      });
      expect((await program.ended).status).toBe(0);
      const { written } = program.of('stats').at(-1)!['sinks'].nats;
      return { written, message: program.of('error')[0]?.['message'] };
    };
    const user = { NATS_USER: 'line', NATS_PASSWORD: 's3cret' };
    expect(await ended(['--nats-ca', file('ca.pem')], user)).toEqual({ written: 3, message: undefined });
    expect(await ended([], { ...user, NATS_CA: file('ca.pem') })).toMatchObject({ written: 3 });
    const untrusted = await ended([], user);
    expect(untrusted).toMatchObject({ written: 0 });
    expect(untrusted.message).toMatch(/cannot be trusted/);
    const stranger = await ended(['--nats-ca', file('ca.pem')], { ...user, NATS_PASSWORD: 'wrong' });
    expect(stranger).toMatchObject({ written: 0 });
    expect(stranger.message).toMatch(/refuses these credentials/);
    expect(stranger.message).not.toContain('wrong');
    const missing = await run([...BASE, '--nats', nats.url, '--nats-ca', file('none.pem')]);
    expect(missing.status).toBe(2);
    expect(missing.stderr + missing.stdout).toContain('none.pem');
  });
});

/** An authority, and a certificate of it for 127.0.0.1. */
function certificates(dir: string): void {
  const openssl = (...args: string[]): unknown =>
    execFileSync('openssl', args, { cwd: dir, stdio: 'ignore' });
  const subject = (name: string): string[] => [
    ...['-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
    ...['-subj', `/CN=${name}`],
  ];
  openssl('req', '-x509', ...subject('authority'), '-keyout', 'ca.key', '-out', 'ca.pem', '-days', '2');
  openssl('req', ...subject('localhost'), '-keyout', 'server.key', '-out', 'server.csr');
  writeFileSync(join(dir, 'names'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  const signing = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'names', '-days', '2'];
  openssl('x509', '-req', '-in', 'server.csr', ...signing, '-out', 'server.pem');
}
