/** `--runner nats:`: what becomes of calls when a worker is killed, stands still, or is not free after all. */
import { createInbox } from '@nats-io/transport-node';
import { expect, it, vi } from 'vitest';
import { frameHeaders } from '../../../src/fleet/nats/frame-message.js';
import { Frame } from '../../../src/frames/index.js';
import { TestNats } from './nats-server.js';
import { bridge, expectOneOutcomeEach, expectResults, resultsOf, worker } from './workers.js';

// Many processes, several for each test.
vi.setConfig({ testTimeout: 180_000 });

it.each(['SIGKILL', 'SIGSTOP'] as const)(
  'ends the call of a worker that got a %s long before its limit, and others take over',
  async (signal) => {
    const nats = await TestNats.start();
    const limit = ['--call-timeout', '1h'];
    const gone = await worker(nats, 'hang', ...limit);
    const { program } = await bridge(nats, ...limit);
    // Calls under way.
    await program.line(({ type, algorithm }) => type === 'stats' && algorithm.workers > 0);
    gone.kill(signal);
    const result = await program.line(({ type }) => type === 'result');
    expect(result).toMatchObject({ status: 'ERROR', error: { code: 'RUNNER_EXITED' } });
    await worker(nats, '0');
    const next = await program.line(({ type, resultStatus }) => type === 'result' && resultStatus === 'OK');
    expect(next['sequence']).toBeGreaterThan(result['sequence']);
    program.kill('SIGINT');
    expect((await program.ended).status, program.stderr).toBe(0);
    expectOneOutcomeEach(program);
    const { crashes, timeouts } = program.of('stats').at(-1)!['algorithm'];
    expect(crashes).toBeGreaterThan(0);
    expect(timeouts).toBe(0);
  },
);

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
  const told = program.of('stats').length;
  await expect.poll(() => program.of('stats').length, { timeout: 60_000 }).toBeGreaterThan(told + 1);
  const { failed, crashes, retries } = program.of('stats').at(-1)!['algorithm'];
  expect({ failed, crashes, retries }).toEqual({ failed: 0, crashes: 0, retries: 0 });
  await worker(nats, '0');
  const first = await program.line(({ type }) => type === 'result');
  expect(first).toMatchObject({ status: 'OK' });
  program.kill('SIGINT');
  const { status, stderr } = await program.ended;
  expect(status, stderr).toBe(0);
  expectOneOutcomeEach(program);
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
