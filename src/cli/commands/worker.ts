/** `openmv-bridge worker --nats URL -- CMD`: adapters for the calls of bridges on other machines. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { z } from 'zod';
import { pause } from '../../async.js';
import { eventLine, startLine } from '../../bridge/index.js';
import { type CallServer, openCallServer } from '../../fleet/index.js';
import { type NatsClientOptions, natsClientShape, runOptionsSchema } from '../../options/index.js';
import { type AlgorithmWithRunner, algorithmFlags, ownFlags, withOutput } from '../command.js';
import { EXIT, exitStatus } from '../exit-status.js';
import type { Output } from '../output.js';
import { onStop, untilStopped } from '../stop-signals.js';

/** How often its figures are told. */
const STATS_MS = 1_000;

export function configure(command: Command, words: readonly string[]): void {
  command
    .description('run an algorithm for bridges elsewhere that were started with --runner nats:')
    .usage('--nats URL [options] -- ALGORITHM...');
  const own = ownFlags(command, {
    ...natsClientShape,
    camera: z.string().default('*').meta({
      flag: '--camera ID',
      group: 'Options',
      description: 'take calls of this camera only, or of every one: *',
    }),
    json: runOptionsSchema.shape.json,
  });
  const given = algorithmFlags(command, words, ['delivery', 'results', 'saveAnnotated']);
  command.action(() => {
    const { camera, json, ...access } = own();
    return withOutput(json, (output) => work(access, camera, given(), output));
  });
}

async function work(
  access: NatsClientOptions,
  camera: string,
  options: AlgorithmWithRunner,
  output: Output,
): Promise<number> {
  const runId = randomUUID();
  if (output.json) output.line(startLine(runId));
  const counts = { ok: 0, ng: 0, failed: 0 };
  const over = new AbortController();
  let server: CallServer | undefined;
  let away = false;
  const stopListening = onStop(
    () => over.abort(),
    () => void server?.close(AbortSignal.abort()),
  );
  try {
    server = await openCallServer(
      access,
      { ...options, camera },
      {
        log: (line, worker) => {
          if (output.json) output.line(eventLine({ type: 'log', runId, cameraId: camera, line, worker }));
          output.log(line.level, `algorithm ${worker}: ${line.message}`, {
            source: 'algorithm',
            fields: line.fields,
          });
        },
        state: (state) => {
          if (output.json) output.line(eventLine({ type: 'runner', runId, cameraId: camera, state }));
          if (server?.failure) over.abort();
        },
        error: (error) => output.error(error),
        answered: ({ outcome }) => counts[outcome]++,
        away: (error) => {
          away = true;
          output.error(error);
        },
        connected: () => {
          output.log(
            'info',
            `${away ? 'NATS is there again: ' : ''}calls are taken from ${access.nats}, site ${access.site}`,
          );
          away = false;
        },
      },
    );
    await server.start();
    for (let before = 0; !over.signal.aborted; ) {
      await pause(STATS_MS, over.signal).catch(() => undefined);
      const { ok, ng, failed } = counts;
      const all = ok + ng + failed;
      output.live(`${(all - before).toFixed(0).padStart(5)} calls/s | OK ${ok} NG ${ng} failed ${failed}`);
      before = all;
    }
    const { failure } = server;
    if (failure) {
      output.error(failure);
      return exitStatus(failure);
    }
    await untilStopped(server.stop(), output);
    return EXIT.done;
  } finally {
    output.endLive();
    await server?.close();
    stopListening();
  }
}
