/** `openmv-bridge fleet`: the cameras of a site at a NATS server, as a table. */
import type { Command } from 'commander';
import { z } from 'zod';
import { pause } from '../../async.js';
import { type FleetCamera, type FleetView, openFleetView } from '../../fleet/index.js';
import { natsClientShape, runOptionsSchema } from '../../options/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { reportLine } from '../lines.js';
import type { Output } from '../output.js';
import { onStop } from '../stop-signals.js';

const WATCH_MS = 1_000;
/** Clears the terminal, and goes to its upper left corner. */
const CLEAR = '\u001b[2J\u001b[H';

export function configure(command: Command): void {
  const given = ownFlags(command, {
    watch: z.boolean().default(false).meta({
      flag: '--watch',
      group: 'Options',
      description: 'again each second, until it is stopped',
    }),
    json: runOptionsSchema.shape.json,
    ...natsClientShape,
  });
  command.action(() => {
    const { watch, json, ...access } = given();
    return withOutput(json, async (output) => {
      const end = new AbortController();
      const stopListening = onStop(() => end.abort());
      let view: FleetView | undefined;
      try {
        view = await openFleetView(access, (error) => output.error(error), end.signal);
        await view.heard(end.signal).catch(() => undefined);
        for (;;) {
          tell(view.cameras, output, access.site, watch);
          if (!watch || end.signal.aborted) break;
          await pause(WATCH_MS, end.signal).catch(() => undefined);
        }
        return view.cameras.length > 0 || watch ? EXIT.done : EXIT.no;
      } catch (error) {
        if (!end.signal.aborted) throw error;
        return EXIT.done;
      } finally {
        stopListening();
        await view?.close();
      }
    });
  });
}

function tell(cameras: readonly FleetCamera[], output: Output, site: string, watch: boolean): void {
  if (output.json) {
    for (const camera of cameras) output.line(reportLine('camera', camera));
    return;
  }
  const clear = watch && process.stdout.isTTY ? CLEAR : '';
  if (cameras.length === 0) {
    const advice = 'Start bridges with --nats and this --site, or look at another one.';
    output.log('info', `No camera of the site ${site} says anything. ${advice}`);
  } else output.text(`${clear}${fleetTable(cameras)}${watch && clear === '' ? '\n' : ''}`);
}

const HEADINGS = [
  'camera',
  'state',
  'frames/s',
  'delivered',
  'dropped',
  'OK',
  'NG',
  'failed',
  'yield',
  'version',
];
/** Columns of words; numbers stand at the right. */
const WORDS = new Set(['camera', 'state', 'version']);

/** A line a camera, below headings. */
export function fleetTable(cameras: readonly FleetCamera[]): string {
  const rows = [HEADINGS, ...cameras.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column]!;
        return WORDS.has(HEADINGS[column]!) ? cell.padEnd(width) : cell.padStart(width);
      })
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n`;
}

function cells(camera: FleetCamera): string[] {
  const { cameraId, status, state, framesPerSecond, delivered, dropped, algorithm, version } = camera;
  const { ok, ng, failed } = algorithm ?? {};
  const judged = (ok ?? 0) + (ng ?? 0);
  return [
    cameraId,
    status === 'online' ? state : status,
    framesPerSecond.toFixed(1),
    ...[delivered, dropped, ok, ng, failed].map((count) => (count === undefined ? '-' : String(count))),
    judged === 0 ? '-' : `${((100 * (ok ?? 0)) / judged).toFixed(1)}%`,
    version,
  ];
}
