/** `--runner nats:` and `openmv-bridge worker`: what becomes of calls when workers come, go, die, or are none, and when the server goes. */
import { expect, it, vi } from 'vitest';
import { run } from '../program/program.js';
import { expectSequence } from '../program/support.js';
import { TestNats } from './nats-server.js';
import {
  BASE,
  bridge,
  DIGEST,
  expectOneOutcomeEach,
  expectResults,
  pidOf,
  resultsOf,
  worker,
} from './workers.js';

// Many processes, several for each test.
vi.setConfig({ testTimeout: 180_000 });

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
  const reference = ['--reference', '/none/reference.jpg', '--workers', '2'];
  const file = await run(['worker', '--nats', nats.url, ...reference, '--', 'node', DIGEST]);
  expect(file.status).toBe(2);
  expect(file.stderr).toContain('/none/reference.jpg');
  const wild = await run(['worker', '--nats', nats.url, '--camera', 'a.>', '--', 'node', DIGEST]);
  expect(wild.status).toBe(2);
  expect(wild.stderr).toContain('cannot be the name of a camera');
});
