/** Bridges that call workers, workers whose verdicts say which picture they are about, and that every frame has one outcome. */
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished } from 'vitest';
import { type JsonLine, Program } from '../program/program.js';
import { expectSequence } from '../program/support.js';
import type { TestNats } from './nats-server.js';

export const DIGEST = fileURLToPath(new URL('digest.mjs', import.meta.url));
export const BASE = ['--port', 'virtual', '--no-shm', '--json', '--camera-id', 'cam'] as const;

/** A worker whose algorithm takes `ms`; resolves when it can be called. */
export async function worker(nats: TestNats, ms: string, ...flags: string[]): Promise<Program> {
  const program = new Program(['worker', '--nats', nats.url, '--json', ...flags, '--', 'node', DIGEST, ms]);
  onTestFinished(() => {
    program.child.kill('SIGKILL');
  });
  await program.line(({ type, state }) => type === 'runner' && state === 'ready');
  return program;
}

/** A bridge that calls workers, and what the pictures are that it publishes. */
export async function bridge(
  nats: TestNats,
  ...flags: string[]
): Promise<{ program: Program; digests: string[] }> {
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

export const resultsOf = (program: Program): JsonLine[] => program.of('result');
export const pidOf = (result: JsonLine): number => result['data']?.debug?.pid;

/** Each frame has one result, in their order, and each is about that frame. */
export function expectResults(program: Program, digests: readonly string[], count: number): void {
  expectSequence(program.of('frame'), count);
  const results = resultsOf(program);
  expectSequence(results, count);
  const about = results.map(({ sequence, data }) => data?.debug?.digest === digests[sequence - 1]);
  expect(about).toEqual(results.map(() => true));
}

/** The outcomes add up to the frames. */
export function expectOneOutcomeEach(program: Program): void {
  const { algorithm, delivered } = program.of('stats').at(-1)!;
  const { ok, ng, failed, skipped, pending } = algorithm;
  expect(pending).toBe(0);
  expect(ok + ng + failed + skipped).toBe(delivered);
  const told = [...resultsOf(program), ...program.of('skipped')].map(({ sequence }) => sequence);
  expect(told.sort((a, b) => a - b)).toEqual(program.of('frame').map(({ sequence }) => sequence));
}
