/** `--runner nats:` and `openmv-bridge worker`: what becomes of calls when workers come, go, die, stand still, or are none. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { createInbox } from '@nats-io/transport-node';
import { expect, it, onTestFinished, vi } from 'vitest';
import { frameHeaders } from '../../../src/fleet/nats/frame-message.js';
import { Frame } from '../../../src/frames/index.js';
import { type JsonLine, Program, run } from '../program/program.js';
import { expectSequence } from '../program/support.js';
import { TestNats } from './nats-server.js';

// Many processes, several for each test.
vi.setConfig({ testTimeout: 180_000 });

const DIGEST = fileURLToPath(new URL('digest.mjs', import.meta.url));
const BASE = ['--port', 'virtual', '--no-shm', '--json', '--camera-id', 'cam'] as const;

/** A worker whose algorithm takes `ms`; resolves when it can be called. */
async function worker(nats: TestNats, ms: string, ...flags: string[]): Promise<Program> {
  const program = new Program(['worker', '--nats', nats.url, '--json', ...flags, '--', 'node', DIGEST, ms]);
  onTestFinished(() => {
    program.child.kill('SIGKILL');
  });
  await program.line(({ type, state }) => type === 'runner' && state === 'ready');
  return program;
}

/** A bridge that calls workers, and what the pictures are that it publishes. */
async function bridge(nats: TestNats, ...flags: string[]): Promise<{ program: Program; digests: string[] }> {
  const client = await nats.client();
  const digests: string[] = [];
  client.subscribe('openmv.local.cam.frame', {
    callback: (_error, { data, headers }) => {
      digests[Number(headers?.get('Sequence')) - 1] = createHash('sha1').update(data).digest('hex');
    },
  });
  await client.flush();
  const program = new Program([...BASE, '--nats', nats.url, '--runner', 'nats:', ...flags]);
  onTestFinished(() => {
    program.child.kill('SIGKILL');
  });
  return { program, digests };
}

const resultsOf = (program: Program): JsonLine[] => program.of('result');
const pidOf = (result: JsonLine): number => result['data']?.debug?.pid;

/** Each frame has one result, in their order, and each is about that frame. */
function expectResults(program: Program, digests: readonly string[], count: number): void {
  expectSequence(program.of('frame'), count);
  const results = resultsOf(program);
  expectSequence(results, count);
  const about = results.map(({ sequence, data }) => data?.debug?.digest === digests[sequence - 1]);
  expect(about).toEqual(results.map(() => true));
}

/** The outcomes add up to the frames. */
function expectOneOutcomeEach(program: Program): void {
  const { algorithm, delivered } = program.of('stats').at(-1)!;
  const { ok, ng, failed, skipped, pending } = algorithm;
  expect(pending).toBe(0);
  expect(ok + ng + failed + skipped).toBe(delivered);
  const told = [...resultsOf(program), ...program.of('skipped')].map(({ sequence }) => sequence);
  expect(told.sort((a, b) => a - b)).toEqual(program.of('frame').map(({ sequence }) => sequence));
}

it('loses no frame and mixes up none with `every`, when a worker is killed in a call and another one stops', async () => {
  const nats = await TestNats.start();
  const killed = await worker(nats, '100', '--workers', '2');
  const stopped = await worker(nats, '100');
  const { program, digests } = await bridge(nats, '--delivery', 'every', '--frames', '90');
  await program.line(({ type, sequence }) => type === 'result' && sequence >= 15);
  killed.kill('SIGKILL');
  await worker(nats, '100', '--workers', '2');
  const seen = resultsOf(program).length;
  await program.line(({ type, sequence }) => type === 'result' && sequence >= seen + 15);
  stopped.kill('SIGTERM');
  expect((await stopped.ended).status).toBe(0);
  const { status, stderr } = await program.ended;
  expect(status, stderr).toBe(0);
  expectResults(program, digests, 90);
  expectOneOutcomeEach(program);
  // The calls were shared by all that were there.
  expect(new Set(resultsOf(program).map(pidOf)).size).toBe(5);
  const { ok, retries, crashes } = program.of('stats').at(-1)!['algorithm'];
  expect(ok).toBe(90);
  expect(retries).toBe(crashes);
});

it('loses no frame with `every` when the server is killed in the middle of calls', async () => {
  const nats = await TestNats.start();
  await worker(nats, '50', '--workers', '2');
  const { program } = await bridge(nats, '--delivery', 'every', '--frames', '60');
  await program.line(({ type, sequence }) => type === 'result' && sequence >= 20);
  await nats.kill();
  await nats.start();
  const { status, stderr } = await program.ended;
  expect(status, stderr).toBe(0);
  expectSequence(resultsOf(program), 60);
  expect(resultsOf(program).map(({ resultStatus }) => resultStatus)).toEqual(Array(60).fill('OK'));
  expectOneOutcomeEach(program);
});

it('says at once that there is no worker, counts the frames, and uses one that comes', async () => {
  const nats = await TestNats.start();
  const { program } = await bridge(nats);
  const error = await program.line(({ type }) => type === 'error');
  expect(error).toMatchObject({ code: 'RUNNER_NOT_FOUND' });
  expect(error['message']).toContain('openmv-bridge worker');
  await program.line(({ type, sequence }) => type === 'result' && sequence >= 20);
  expect(resultsOf(program).every(({ status }) => status === 'ERROR')).toBe(true);
  // One for another camera is no help.
  const [, mine] = await Promise.all([
    worker(nats, '0', '--camera', 'other'),
    worker(nats, '0', '--camera', 'cam'),
  ]);
  await program.line(({ type, resultStatus }) => type === 'result' && resultStatus === 'OK');
  // A call that takes long on a busy machine may be told as well.
  const absences = () => program.of('error').filter(({ code }) => code === 'RUNNER_NOT_FOUND').length;
  expect(absences()).toBe(1);
  mine.kill('SIGKILL');
  await expect.poll(absences, { timeout: 60_000 }).toBe(2);
  program.kill('SIGINT');
  await program.ended;
  expectOneOutcomeEach(program);
});

it('does not count a worker that has not taken the call: another one gets it, with `latest` as well', async () => {
  const nats = await TestNats.start();
  const client = await nats.client();
  // A worker that is not free after all, at the first question, and at the first call.
  const asked: string[] = [];
  const answers = (subject: string, ...words: string[]): void => {
    client.subscribe(subject, {
      max: words.length,
      callback: (_error, message) => {
        asked.push(subject);
        message.respond(words.shift());
      },
    });
  };
  answers('openmv.local.cam.take', 'not taken', 'test.inbox');
  answers('test.inbox.call', 'not taken');
  client.subscribe('openmv.local.cam.worker', { callback: (_error, message) => void message.respond() });
  await client.flush();
  const { program } = await bridge(nats);
  await expect.poll(() => asked, { timeout: 60_000 }).toContain('test.inbox.call');
  await worker(nats, '0');
  await program.line(({ type, resultStatus }) => type === 'result' && resultStatus === 'OK');
  program.kill('SIGINT');
  const { status, stderr } = await program.ended;
  expect(status, stderr).toBe(0);
  expectOneOutcomeEach(program);
  const { ok, failed, crashes, retries } = program.of('stats').at(-1)!['algorithm'];
  expect(ok).toBeGreaterThan(0);
  expect({ failed, crashes, retries }).toEqual({ failed: 0, crashes: 0, retries: 0 });
});

it('a worker that is called late is not offered to others meanwhile', async () => {
  const nats = await TestNats.start();
  const client = await nats.client();
  const take = () => client.request('openmv.local.cam.take', '', { timeout: 20_000 });
  let offered = 0;
  client.subscribe('openmv.local.free', { callback: () => void offered++ });
  await client.flush();
  await worker(nats, 'hang');
  await expect.poll(() => offered, { timeout: 60_000 }).toBe(1);
  const inbox = (await take()).string();
  // No call comes: it is free again.
  await expect.poll(() => offered, { timeout: 60_000 }).toBe(2);
  const jpeg = Uint8Array.of(0xff, 0xd8, 0xff, 0xd9);
  const fields = { runId: 'run', cameraId: 'cam', width: 320, height: 240, timestampMs: Date.now(), jpeg };
  const headers = frameHeaders(new Frame({ ...fields, sequence: 1, captureNumber: 1 }));
  headers.set('Call', 'late');
  client.publish(`${inbox}.call`, jpeg, { headers, reply: createInbox() });
  const alive = await client.request(`${inbox}.alive`, 'late', { timeout: 20_000 });
  expect(alive.string()).toBe('yes');
  await expect(take()).rejects.toThrow(/no responders/i);
});

it('gives up a worker that stands still, and its late answer is no second outcome', async () => {
  const nats = await TestNats.start();
  const frozen = await worker(nats, '300');
  const { program, digests } = await bridge(nats, '--delivery', 'every', '--frames', '25');
  await program.line(({ type, sequence }) => type === 'result' && sequence >= 3);
  frozen.kill('SIGSTOP');
  await worker(nats, '20');
  await program.line(({ type, code }) => type === 'result' || code === 'RUNNER_EXITED');
  const seen = resultsOf(program).length;
  await program.line(({ type, sequence }) => type === 'result' && sequence >= seen + 3);
  frozen.kill('SIGCONT');
  const { status, stderr } = await program.ended;
  expect(status, stderr).toBe(0);
  expectResults(program, digests, 25);
  expectOneOutcomeEach(program);
});

it('ends a call at its limit: the outcome is `failed`, and the next frame has its own', async () => {
  const nats = await TestNats.start();
  await worker(nats, 'hang', '--call-timeout', '1s');
  const { program } = await bridge(nats, '--call-timeout', '800ms');
  const result = await program.line(({ type }) => type === 'result');
  expect(result).toMatchObject({ status: 'ERROR', error: { code: 'RUNNER_TIMEOUT' } });
  await program.line(({ type, sequence }) => type === 'result' && sequence > result['sequence']);
  program.kill('SIGINT');
  await program.ended;
  expectOneOutcomeEach(program);
  expect(program.of('stats').at(-1)!['algorithm'].timeouts).toBeGreaterThan(0);
});

it('ends when it is told to, while the server is away and everything waits for it', async () => {
  const nats = await TestNats.start('-js');
  await worker(nats, '50');
  const { program } = await bridge(
    nats,
    ...['--delivery', 'every', '--nats-stream', 'cams', '--nats-delivery', 'every'],
  );
  await program.line(({ type, sequence }) => type === 'result' && sequence >= 5);
  await nats.kill();
  await program.line(({ type }) => type === 'error');
  program.kill('SIGINT');
  // Frames and results under way have their grace; then they are told as lost.
  expect((await program.ended).status).toBe(0);
  expectOneOutcomeEach(program);
});

it('refuses what has no meaning there', async () => {
  const none = await run([...BASE, '--runner', 'nats:']);
  expect(none.status).toBe(2);
  expect(none.stdout + none.stderr).toContain('--nats');
  const nats = await TestNats.start();
  const workers = await run([...BASE, '--nats', nats.url, '--runner', 'nats:', '--workers', '2']);
  expect(workers.status).toBe(2);
  expect(workers.stdout + workers.stderr).toContain('--workers');
  const bare = await run(['worker', '--nats', nats.url]);
  expect(bare.status).toBe(2);
  const wild = await run(['worker', '--nats', nats.url, '--camera', 'a.>', '--', 'node', DIGEST]);
  expect(wild.status).toBe(2);
  expect(wild.stderr).toContain('cannot be the name of a camera');
});
