/** Brokers and their clients that do what they should not: each is told or counted, frames go on, and nothing good is lost. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { needs } from '../../support/needs.js';
import { type JsonLine, Program } from '../program/program.js';
import { expectSequence } from '../program/support.js';
import { ODD_NG } from '../web/support.js';
import { atEnd, KEEPS, LASTING, Listener, Mosquitto, mosquitto, until } from './mosquitto.js';
import { storedMessages, TestNats } from './nats-server.js';
import { bridge, expectOneOutcomeEach, worker } from './workers.js';

// Many processes one after the other.
vi.setConfig({ testTimeout: 180_000 });

/** The largest command, and one byte more. */
const LARGEST = 600 * 1_024;
const GARBAGE: readonly (string | Buffer)[] = [
  '',
  'no JSON',
  '[1, 2]',
  '"get_stats"',
  '{"command": 7}',
  '{"command": "get_stats", "camera": {"a": []}, "params": "x"}',
  '{"command": "__proto__"}',
  '['.repeat(100_000),
  Buffer.from([0, 1, 2, 0xff, 0xfe, 0x80]),
  Buffer.alloc(LARGEST, 'x'),
  Buffer.alloc(LARGEST + 1, '{'),
];

function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const program = new Program(['--port', 'virtual', '--no-shm', '--json', '--camera-id', 'cam', ...args], {
    env: { ...process.env, ...env },
  });
  atEnd(async () => {
    program.kill('SIGKILL');
    await program.ended;
  });
  return program;
}

async function moreFrames(program: Program, count: number): Promise<void> {
  const before = program.of('frame').length;
  await until('frames go on', () => program.of('frame').length >= before + count);
}

async function stop(program: Program): Promise<void> {
  program.kill('SIGTERM');
  expect((await program.ended).status, program.stderr).toBe(0);
  // No frame is missing, whatever the broker did.
  expectSequence(program.of('frame'), program.of('stats').at(-1)!['delivered']);
}

const errorsOf = (program: Program, sink: string): JsonLine[] =>
  program.of('error').filter((line) => line['sink'] === sink);

it('garbage for commands, of any size, is refused, and the next command is carried out', async () => {
  const nats = await TestNats.start();
  const broker = await mosquitto();
  const client = await nats.client();
  const plant = await Listener.open(broker.url, 'openmv/local/cam/reply');
  const program = start(['--nats', nats.url, '--mqtt', broker.url]);
  await until('it is at both', () => {
    const { nats: there, mqtt } = program.of('stats').at(-1)?.['brokers'] ?? {};
    return there?.connected && mqtt?.connected;
  });

  const subject = 'openmv.local.cam.ctl';
  const ask = async (payload: string | Buffer) =>
    (await client.request(subject, payload, { timeout: 60_000 })).json<JsonLine>();
  for (const payload of GARBAGE) expect(await ask(payload)).toMatchObject({ status: 'error' });
  expect((await ask(GARBAGE.at(-1)!))['message']).toContain('at most 614400 bytes');
  // No one waits for the answers.
  client.publish(subject, 'no JSON');
  client.publish('openmv.local.cam.status.get', GARBAGE.at(-2)!);
  expect(await ask('{"command": "get_stats"}')).toMatchObject({ status: 'success' });

  const topic = 'openmv/local/cam/command';
  for (const payload of GARBAGE) await plant.client.publishAsync(topic, payload, { qos: 1 });
  await plant.client.publishAsync(topic, '{"command": "get_stats", "id": "good"}', { qos: 1 });
  await until('the reply to the good one', () => plant.of('reply').some(({ json }) => json?.id === 'good'));
  const replies = plant.of('reply').map(({ json }) => json);
  expect(replies.filter(({ status }) => status === 'success')).toMatchObject([{ id: 'good' }]);
  expect(replies.filter(({ status }) => status === 'error')).toHaveLength(GARBAGE.length);

  await moreFrames(program, 10);
  expect(program.of('error')).toEqual([]);
  await stop(program);
});

it('garbage between bridge and worker costs no verdict', async () => {
  const nats = await TestNats.start();
  const client = await nats.client();
  const answers: string[] = [];
  // One that says that it is free at no address, and one whose answer is no result.
  for (const [subject, ...words] of [
    ['openmv.local.cam.take', '', 'two words.>', 'test.inbox'],
    ['test.inbox.call', 'no result'],
  ] as const) {
    client.subscribe(subject, {
      max: words.length,
      callback: (_error, message) => void message.respond(words[answers.push(subject) - 1] ?? words.at(-1)),
    });
  }
  client.subscribe('openmv.local.cam.worker', { callback: (_error, message) => void message.respond() });
  await client.flush();
  const { program } = await bridge(nats, '--delivery', 'every');
  const first = await program.line(({ type }) => type === 'result');
  expect(first).toMatchObject({ status: 'ERROR', error: { code: 'RUNNER_PROTOCOL' } });

  await worker(nats, '0', '--workers', '2');
  for (const kind of ['take', 'worker']) client.publish(`openmv.local.cam.${kind}`, Buffer.alloc(1_000, 255));
  client.publish('openmv.local.free', 'no one');
  await until('verdicts', () => program.of('result').filter(({ status }) => status === 'OK').length > 20);
  // The bridge takes one after the other: none may be free at the moment.
  const wrongCall = async (): Promise<JsonLine | undefined> => {
    try {
      const inbox = (await client.request('openmv.local.cam.take', '', { timeout: 60_000 })).string();
      return (await client.request(`${inbox}.call`, 'no picture', { timeout: 60_000 })).json();
    } catch {
      return undefined;
    }
  };
  await until('it is refused', async () => {
    const answer = await wrongCall();
    return answer?.['outcome'] === 'failed' && answer['code'] === 'FRAME_CORRUPT';
  });
  const judged = program.of('result').length;
  await until('verdicts go on', () => program.of('result').length > judged + 20);
  program.kill('SIGINT');
  expect((await program.ended).status, program.stderr).toBe(0);
  expectOneOutcomeEach(program);
  const wrongs = program.of('result').filter(({ error }) => /PROTOCOL|CORRUPT/.test(error?.code));
  expect(wrongs).toHaveLength(1);
});

it('a NATS server that stands still for seconds costs no frame of a stream with `every`, and stalls none without', async () => {
  const nats = await TestNats.start('-js');
  const live = start(['--nats', nats.url, '--site', 'live']);
  const kept = start([
    ...['--nats', nats.url, '--site', 'kept', '--nats-stream', 'cams', '--nats-delivery', 'every'],
    ...['--delivery', 'every', '--', ...ODD_NG],
  ]);
  await Promise.all([moreFrames(live, 10), moreFrames(kept, 10)]);
  nats.signal('SIGSTOP');
  // Longer than a server is waited for that says nothing.
  await until('it is told', () => errorsOf(live, 'nats').length > 0);
  await moreFrames(live, 30);
  nats.signal('SIGCONT');
  const recovered = (program: Program) => program.of('recovered').some(({ sink }) => sink === 'nats');
  await until('it is told', () => recovered(live));
  await Promise.all([moreFrames(live, 10), moreFrames(kept, 30)]);
  await Promise.all([stop(live), stop(kept)]);

  const { sinks, delivered } = live.of('stats').at(-1)! as JsonLine;
  const { written, lost, skipped } = sinks.nats;
  expect(written + lost + skipped).toBe(delivered);
  expect(lost + skipped).toBeGreaterThan(0);
  const stored = await storedMessages(await nats.client(), 'cams');
  const frames = stored
    .filter(({ kind }) => kind === 'frame')
    .map(({ header }) => Number(header('Sequence')));
  expect(frames).toEqual(kept.of('frame').map(({ sequence }) => sequence));
  const results = stored.filter(({ kind }) => kind === 'result').map(({ json }) => json()['requestId']);
  expect(results).toEqual(kept.of('result').map(({ requestId }) => requestId));
  expect(kept.of('stats').at(-1)!['sinks'].nats).toMatchObject({ lost: 0, skipped: 0 });
});

it('a NATS server that does not want the credentials any more is told as such, and used when it does again', async () => {
  const nats = await TestNats.start();
  const file = join(nats.dir, 'users.conf');
  const password = (text: string) =>
    writeFileSync(file, `authorization { user: line, password: "${text}" }\n`);
  password('old');
  const guarded = await TestNats.start('-c', file);
  const program = start(['--nats', guarded.url], { NATS_USER: 'line', NATS_PASSWORD: 'old' });
  await moreFrames(program, 10);
  expect(errorsOf(program, 'nats')).toEqual([]);
  password('new');
  guarded.signal('SIGHUP');
  await until('it is told', () => errorsOf(program, 'nats').some(({ code }) => code === 'BROKER_DENIED'));
  const told = errorsOf(program, 'nats').find(({ code }) => code === 'BROKER_DENIED')!;
  expect(told['message']).toMatch(/refuses these credentials/);
  await moreFrames(program, 30);
  // Once, however often it is tried.
  expect(errorsOf(program, 'nats').filter(({ code }) => code === 'BROKER_DENIED')).toHaveLength(1);
  password('old');
  guarded.signal('SIGHUP');
  await until('it is back', () => program.of('recovered').some(({ sink }) => sink === 'nats'));
  await stop(program);
  const { written, lost, skipped } = program.of('stats').at(-1)!['sinks'].nats;
  expect(written + lost + skipped).toBe(program.of('frame').length);
});

it('an MQTT broker that does not want the password any more is told as such, and gets every result when it does again', async () => {
  needs('mosquitto');
  const keeps = KEEPS.filter((line) => !line.startsWith('allow_anonymous'));
  const broker = await Mosquitto.start(['allow_anonymous false', 'password_file DIR/passwords', ...keeps]);
  const password = (user: string, text: string, ...flags: string[]) =>
    execFileSync('mosquitto_passwd', ['-b', ...flags, broker.path('passwords'), user, text]);
  password('line', 'f1rst', '-c');
  password('plant', 'same');
  await broker.run();
  const plant = await Listener.open(broker.url, 'openmv/#', {
    ...LASTING,
    username: 'plant',
    password: 'same',
  });
  const { host } = new URL(broker.url);
  const program = start(['--mqtt', `mqtt://line:f1rst@${host}`, '--delivery', 'every', '--', ...ODD_NG]);
  await until('results', () => plant.of('result').length > 10);
  await broker.kill('SIGTERM');
  password('line', 's3cond');
  await broker.run();
  await until('it is told', () => errorsOf(program, 'mqtt').some(({ code }) => code === 'BROKER_DENIED'));
  const told = errorsOf(program, 'mqtt').find(({ code }) => code === 'BROKER_DENIED')!;
  expect(told['message']).toMatch(/refuses this user name, password or client/);
  expect(JSON.stringify(program.of('error'))).not.toContain('f1rst');
  await moreFrames(program, 30);
  password('line', 'f1rst');
  broker.signal('SIGHUP');
  await until('it is back', () => program.of('recovered').some(({ sink }) => sink === 'mqtt'));
  expect(program.of('recovered').find(({ sink }) => sink === 'mqtt')).toMatchObject({ lost: 0 });
  await stop(program);
  const all = program.of('result').map(({ sequence }) => sequence as number);
  const got = () => new Set(plant.of('result').map(({ json }) => json.sequence as number));
  await until('every result', () => all.every((sequence) => got().has(sequence)));
});

it('brokers whose names mean nothing are told of, and frames come all the same', async () => {
  const program = start([
    ...['--nats', 'nats://no-such-host.invalid:4222', '--mqtt', 'mqtt://no-such-host.invalid'],
    ...['--', ...ODD_NG],
  ]);
  await moreFrames(program, 30);
  await until('both are told', () => ['nats', 'mqtt'].every((sink) => errorsOf(program, sink).length > 0));
  for (const [sink, words] of [
    ['nats', /NATS at nats:\/\/no-such-host\.invalid:4222 does not answer .*(ENOTFOUND|EAI_AGAIN|timeout)/i],
    ['mqtt', /MQTT broker at mqtt:\/\/no-such-host\.invalid:1883: /],
  ] as const) {
    expect(errorsOf(program, sink)[0]).toMatchObject({
      code: 'BROKER_FAILED',
      message: expect.stringMatching(words),
    });
  }
  await stop(program);
  const { brokers, sinks, delivered } = program.of('stats').at(-1)! as JsonLine;
  expect(sinks.nats).toMatchObject({ written: 0, lost: delivered });
  expect(brokers.nats).toMatchObject({ connected: false, sent: 0, reconnects: 0 });
  expect(brokers.nats.lost).toBeGreaterThanOrEqual(program.of('result').length);
  expect(brokers.mqtt.pending).toBeGreaterThanOrEqual(program.of('result').length);
});
