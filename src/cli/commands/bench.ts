/** `openmv-bridge bench`: what a connected camera gives, and what that takes. */
import type { Command } from 'commander';
import { z } from 'zod';
import { measureBridges, measuredText } from '../../bench/index.js';
import { type Bridge, openBridges } from '../../bridge/index.js';
import { configSchema, milliseconds, optionSpecs } from '../../options/index.js';
import { ownFlags, withOutput } from '../command.js';
import { runInputs } from '../config.js';
import { addFlags } from '../flags.js';
import { reportLine } from '../lines.js';
import { onStop } from '../stop-signals.js';

/** Options of `run` that decide on what is measured. */
const GROUPS = ['Camera', 'Camera link', 'Shared memory', 'Virtual camera'];
/** They say what becomes of a run that goes on. */
const LEFT_OUT = ['wait', 'reconnect', 'streaming'];

export function configure(command: Command): void {
  command.usage('--port PATH [options]');
  const own = ownFlags(command, {
    durationMs: milliseconds.default(10_000).meta({
      flag: '--duration TIME',
      group: 'Options',
      description: 'time that is measured, after a second to warm up',
      unit: 's',
    }),
    json: z
      .boolean()
      .default(false)
      .meta({
        flag: '--json',
        group: 'Output',
        description: configSchema.shape.json.description ?? '',
      }),
  });
  const specs = optionSpecs(configSchema).filter(
    ({ group, path }) => GROUPS.includes(group) && !LEFT_OUT.includes(path[0]!),
  );
  const given = addFlags(command, specs);
  command.action(() => {
    const { durationMs, json } = own();
    return withOutput(json, async (output) => {
      const flags = given();
      // A bridge that runs beside keeps its segment.
      const names = flags['shm'] === false ? {} : { shmName: `/openmv_bench_${process.pid}` };
      const { bridges: inputs } = await runInputs(specs, { ...names, ...flags }, [], undefined);
      const stop = new AbortController();
      const stopListening = onStop(() => stop.abort());
      let bridges: Bridge[] = [];
      try {
        const { signal } = stop;
        bridges = await openBridges(
          inputs.map((input) => ({ ...input, reconnect: false })),
          { signal },
        );
        const measured = await measureBridges(bridges, { durationMs, signal });
        if (json) output.line(reportLine('bench', measured));
        else output.text(measuredText(measured));
      } catch (error) {
        // Stopped before there was anything to measure.
        if (error !== stop.signal.reason) throw error;
      } finally {
        stopListening();
        await Promise.all(bridges.map((bridge) => bridge.close()));
      }
      return undefined;
    });
  });
}
