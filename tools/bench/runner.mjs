/**
 * Calls a second and added latency of an empty algorithm, beside the bare round trip over the same pipes to the same
 * adapter in the same run: bytes that were made before go out, and the answer's bytes are waited for. What the runner
 * takes longer is its own: request id, call, JSON, time limit, matching, judging.
 */
import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { buildCall, callSettingsSchema } from '../../dist/adapter/index.js';
import { AlgorithmRunner } from '../../dist/runner/index.js';

import { openImageFiles } from '../../dist/shm/index.js';
import { either, row } from './report.mjs';

const adapter = (name) => fileURLToPath(new URL(`adapters/${name}`, import.meta.url));
const ADAPTERS = [
  ['Python', ['python3', adapter('empty.py')]],
  ['Node', [process.execPath, adapter('empty.mjs')]],
  ['defineAlgorithm', [process.execPath, adapter('defined.mjs')]],
];
const WARM_UP = 500;
const ROUNDS = 10;
const CALLS = 300;
/** A frame of 320 x 240. */
const JPEG = Buffer.alloc(25_000, 0x5a);

const image = { id: 'bench', width: 320, height: 240, timestampMs: 1_700_000_000_000, cameraId: 'bench' };

/** An adapter, and one message to and fro: no JSON on this side. */
async function openBare(command) {
  const child = spawn(command[0], command.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
  let pending = Buffer.alloc(0);
  let answered;
  child.stdout.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    if (pending.length < 4 || pending.length < 4 + pending.readUInt32BE(0)) return;
    pending = pending.subarray(4 + pending.readUInt32BE(0));
    answered();
  });
  await new Promise((resolve) => {
    answered = resolve;
  });
  const settings = callSettingsSchema.parse({});
  const dialect = { form: 'execute', superset: true, pre: false };
  const body = Buffer.from(
    JSON.stringify(
      buildCall(dialect, {
        requestId: '01234567-89ab-4cde-8f01-23456789abcd',
        phase: 'execute',
        settings,
        image,
      }),
    ),
  );
  const frame = Buffer.concat([Buffer.alloc(4), body]);
  frame.writeUInt32BE(body.length);
  return {
    call: () =>
      new Promise((resolve) => {
        answered = resolve;
        child.stdin.write(frame);
      }),
    close: () => {
      child.stdin.end();
      return new Promise((resolve) => child.once('close', resolve));
    },
  };
}

async function time(call, count, into) {
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    await call();
    into.push(performance.now() - start);
  }
}

const at = (times, share) => times.sort((a, b) => a - b)[Math.floor(times.length * share)] * 1_000;

export default async function runner() {
  const images = openImageFiles();
  for (const [name, command] of ADAPTERS.slice(0, either(3, 1))) {
    const bare = await openBare(command);
    const algorithm = new AlgorithmRunner({ command, imageDirectory: tmpdir(), runnerVersion: 'bench' });
    await algorithm.start();
    let pictures = 0;
    const ways = {
      bare: { call: bare.call, times: [] },
      runner: { call: () => algorithm.submit({ image }), times: [] },
      picture: {
        call: async () => {
          const lease = images.put(`bench-${pictures++}`, JPEG);
          await algorithm.submit({ image: { ...image, id: lease.id } });
          lease.release();
        },
        times: [],
      },
    };
    for (const { call } of Object.values(ways)) await time(call, either(WARM_UP, 5), []);
    // In turns, so that what else the machine does meets all of them.
    for (let round = 0; round < either(ROUNDS, 1); round++) {
      for (const { call, times } of Object.values(ways)) await time(call, either(CALLS, 20), times);
    }
    const [plain, ours, whole] = Object.values(ways).map(({ times }) => at(times, 0.5));
    const rate = (median) => `${(1e6 / median).toFixed(0)} calls/s`;
    row(`${name}: bare pipe round trip, median`, plain, 'us', rate(plain));
    row(
      `${name}: a call, median`,
      ours,
      'us',
      `${rate(ours)}, ${(ours / plain).toFixed(2)} x the bare round trip`,
    );
    const slowest = at(ways.runner.times, 0.99).toFixed(0);
    row(`${name}: of that our own`, ours - plain, 'us', `aim: under 100 us; 99 % of calls: ${slowest} us`);
    row(
      `${name}: with an image of 25 KB in its file`,
      whole,
      'us',
      `${(whole - ours).toFixed(0)} us for the file`,
    );
    await bare.close();
    await algorithm.close();
  }
  images.close();
}
