/** `openmv-bridge mirror --nats URL --camera ID`: frames of a camera elsewhere in this machine's shared memory. */
import type { Command } from 'commander';
import { z } from 'zod';
import { FrameSinks, openMemory } from '../../bridge/index.js';
import { BridgeError } from '../../errors.js';
import { subscribeFrames } from '../../fleet/index.js';
import { Frame } from '../../frames/index.js';
import {
  type BridgeOptions,
  bridgeOptionsSchema,
  configSchema,
  type NatsClientOptions,
  natsClientShape,
  optionSpecs,
  parseOptions,
} from '../../options/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { addFlags, refuseIdle } from '../flags.js';
import type { Output } from '../output.js';
import { nothingCame, serverReport } from '../remote-camera.js';
import { onStop, stopAsked } from '../stop-signals.js';

/** How often its figures are told. */
const STATS_MS = 1_000;

export function configure(command: Command): void {
  command
    .description(
      "frames of a camera elsewhere in this machine's shared memory, for readers made for a bridge",
    )
    .usage('--nats URL --camera ID [options]');
  const { durationMs, frames, json } = configSchema.shape;
  const own = ownFlags(command, {
    ...natsClientShape,
    camera: z.string().meta({ flag: '--camera ID', group: 'Options', description: 'the camera' }),
    frames,
    durationMs,
    json,
  });
  const specs = optionSpecs(bridgeOptionsSchema).filter(({ group }) => group === 'Shared memory');
  const given = addFlags(command, specs);
  command.action(() => {
    const { camera, frames: count, durationMs: ms, json: lines, ...access } = own();
    return withOutput(lines, async (output) => {
      const memory = given();
      refuseIdle(specs, memory, memory);
      const end = new AbortController();
      const stopListening = onStop(() => end.abort());
      const timer = ms === undefined ? undefined : setTimeout(() => end.abort(), ms);
      try {
        const options = parseOptions(bridgeOptionsSchema, memory);
        return await mirror(access, camera, options, count, output, end.signal);
      } finally {
        clearTimeout(timer);
        stopListening();
      }
    });
  });
}

async function mirror(
  { nats, ...access }: NatsClientOptions,
  camera: string,
  options: BridgeOptions,
  count: number | undefined,
  output: Output,
  stop: AbortSignal,
): Promise<number> {
  const end = new AbortController();
  const signal = AbortSignal.any([stop, end.signal]);
  const sinks = new FrameSinks({
    failed: (_kind, error) => output.error(error),
    recovered: (kind, lost) => output.log('info', `${kind}: works again; frames that it lacks: ${lost}`),
    ended: (error) => end.abort(error),
  });
  const counts = { frames: 0, missed: 0 };
  const timer = setInterval(() => {
    output.live(`${camera} | frames ${counts.frames} | missed ${counts.missed}`);
  }, STATS_MS);
  try {
    await openMemory(options, sinks);
    if (sinks.sharedName === null) {
      throw new BridgeError(
        'OPTION_INVALID',
        'Nothing is to be mirrored: leave --no-shm away, or give --ring.',
      );
    }
    let run = '';
    // Readers go on with a count that never falls back; what did not come is a gap in it.
    let before = 0;
    let sequence = 0;
    for await (const frame of subscribeFrames(nats, camera, {
      ...access,
      signal,
      told: serverReport(output),
    })) {
      if (run !== frame.runId) before = sequence;
      run = frame.runId;
      sequence = before + frame.sequence;
      const { room } = sinks.write(new Frame({ ...frame, sequence }));
      counts.frames++;
      counts.missed += frame.missed;
      await room;
      if (counts.frames === count) break;
    }
  } finally {
    clearInterval(timer);
    output.endLive();
    await sinks.close();
  }
  if (counts.frames > 0 || stopAsked()) return EXIT.done;
  output.error(nothingCame({ url: nats, camera, site: access.site }));
  return EXIT.port;
}
