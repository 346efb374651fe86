/** `openmv-bridge algo check -- CMD`: does an adapter keep to the protocol? */
import type { Command } from 'commander';
import { z } from 'zod';
import { runnerOptions } from '../../bridge/index.js';
import { runOptionsSchema } from '../../options/index.js';
import { packageVersion } from '../../package.js';
import { readPicture } from '../../pictures/index.js';
import {
  type CheckHandlers,
  type CheckReport,
  type CheckStep,
  checkAdapter,
  type ImageReference,
  type LogLine,
} from '../../runner/index.js';
import { openImageFiles } from '../../shm/index.js';
import { type AlgorithmWithRunner, algorithmFlags, ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { inFlags } from '../flags.js';
import { reportLine } from '../lines.js';
import type { Output } from '../output.js';
import { onStop, untilStopped } from '../stop-signals.js';

/** The last lines of a step's log, which say why it failed. */
const MAX_LOG_LINES = 50;
const WIDTH = 320;
const HEIGHT = 240;
const SIGNS: Readonly<Record<CheckStep['status'], string>> = {
  ok: 'ok     ',
  warning: 'warning',
  failed: 'FAILED ',
  skipped: 'skipped',
};

export function configure(command: Command, words: readonly string[]): void {
  command
    .description('hello, ping, a call with a test image, a bad and a missing image, shutdown: a report')
    .usage('[options] -- ALGORITHM...');
  const own = ownFlags(command, {
    image: z.string().min(1).optional().meta({
      flag: '--image FILE',
      group: 'Options',
      description: 'the image to call it with; default: a test image of 320 x 240',
    }),
    json: runOptionsSchema.shape.json,
  });
  const given = algorithmFlags(command, words, [
    'delivery',
    'workers',
    'results',
    'reference',
    'saveAnnotated',
  ]);
  command.action(() => {
    const { image, json } = own();
    return withOutput(json, async (output) => {
      const [stop, cut] = [new AbortController(), new AbortController()];
      const signals = { stop: stop.signal, signal: cut.signal };
      const checked = check(image, given(), output, signals).catch((error: unknown) => {
        if (!cut.signal.aborted) throw error;
      });
      onStop(
        () => {
          stop.abort();
          void untilStopped(checked, output);
        },
        () => cut.abort(),
      );
      const report = await checked;
      // What was done until then has been said.
      if (!report) return EXIT.impatient;
      if (output.json) output.line(reportLine('check', report));
      else output.text(`${summary(report)}\n`);
      return report.ok ? EXIT.done : EXIT.algorithm;
    });
  });
}

async function check(
  image: string | undefined,
  options: AlgorithmWithRunner,
  output: Output,
  signals: Pick<CheckHandlers, 'stop' | 'signal'>,
): Promise<CheckReport> {
  const picture =
    image === undefined
      ? { jpeg: await testImage(), width: WIDTH, height: HEIGHT }
      : await readPicture(image);
  const images = openImageFiles(options.imageDir === undefined ? {} : { dir: options.imageDir });
  try {
    const reference = (name: string): ImageReference => ({
      id: `check-${process.pid}-${name}`,
      width: picture.width,
      height: picture.height,
      timestampMs: Date.now(),
      cameraId: 'check',
    });
    const pictures = {
      good: reference('good'),
      truncated: reference('truncated'),
      missing: reference('missing'),
    };
    images.put(pictures.good.id, picture.jpeg);
    images.put(pictures.truncated.id, picture.jpeg.subarray(0, Math.ceil(picture.jpeg.length / 2)));
    const log: LogLine[] = [];
    return await checkAdapter(
      runnerOptions(options, options.runner, images.dir, packageVersion()),
      pictures,
      {
        ...signals,
        onStep: (step, error) => {
          const text = error === undefined ? step.text : inFlags(error);
          if (!output.json) output.text(`${line({ ...step, text })}\n`);
          // What an algorithm logs about bad pictures is no news, unless it fails over them.
          const lines = log.splice(0);
          if (step.status !== 'failed') return;
          for (const logged of lines)
            output.log(logged.level, `algorithm: ${logged.message}`, {
              source: 'algorithm',
              fields: logged.fields,
            });
        },
        onLog: (logged) => {
          log.push(logged);
          if (log.length > MAX_LOG_LINES) log.shift();
        },
      },
    );
  } finally {
    images.close();
  }
}

function line({ name, status, text, ms }: CheckStep): string {
  const time = ms === null ? '' : `${ms.toFixed(1)} ms`;
  return `${SIGNS[status]}  ${name.padEnd(15)} ${time.padStart(10)}  ${text}`;
}

function summary({ steps }: CheckReport): string {
  const count = (status: CheckStep['status']) => steps.filter((step) => step.status === status).length;
  const parts = [`${count('ok')} ok`, `${count('warning')} warnings`, `${count('failed')} failed`];
  if (count('skipped') > 0) parts.push(`${count('skipped')} skipped`);
  return parts.join(', ');
}

/** Something to look at: a gradient, shapes, sharp edges. */
async function testImage(): Promise<Buffer> {
  const { default: sharp } = await import('sharp');
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${HEIGHT}">
    <linearGradient id="g"><stop stop-color="#335"/><stop offset="1" stop-color="#cca"/></linearGradient>
    <rect width="100%" height="100%" fill="url(#g)"/>
    <circle cx="90" cy="120" r="50" fill="#c33"/><rect x="190" y="70" width="80" height="100" fill="#3a5"/>
  </svg>`;
  return sharp(Buffer.from(svg)).jpeg({ quality: 90 }).toBuffer();
}
