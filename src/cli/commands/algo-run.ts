/** `openmv-bridge algo run IMAGE... -- CMD`: an algorithm on pictures out of files. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { Algorithm, eventLine, type FrameResult, resultLine, startLine } from '../../bridge/index.js';
import { asBridgeError, type BridgeError } from '../../errors.js';
import { Frame } from '../../frames/index.js';
import { cameraOptionsSchema, runOptionsSchema } from '../../options/index.js';
import {
  AnnotatedFiles,
  expandPicturePaths,
  readPicture,
  type SavedFiles,
  saveAnnotated,
} from '../../pictures/index.js';
import { type CallResult, describeStray } from '../../runner/index.js';
import { type AlgorithmWithRunner, algorithmFlags, ownFlags, withOutput } from '../command.js';

import { EXIT } from '../exit-status.js';
import { inFlags } from '../flags.js';
import type { Output } from '../output.js';
import { onStop, untilStopped } from '../stop-signals.js';

export function configure(command: Command, words: readonly string[]): void {
  command
    .description('call an algorithm for images; ends with 0: all OK, 1: some NG, 5: some without a verdict')
    .usage('[options] IMAGE... -- ALGORITHM ARGS...')
    .argument('<image...>', 'files, or directories of them; what is no JPEG is converted');
  const own = ownFlags(command, {
    cameraId: cameraOptionsSchema.shape.cameraId.unwrap().default('file').meta({
      flag: '--camera-id ID',
      group: 'Options',
      description: 'the camera that the algorithm is told',
    }),
    json: runOptionsSchema.shape.json,
  });
  const given = algorithmFlags(command, words, ['delivery']);
  command.action((paths: string[]) => {
    const { cameraId, json } = own();
    return withOutput(json, (output) =>
      runOnFiles(paths, cameraId, { ...given(), delivery: 'every' }, output),
    );
  });
}

async function runOnFiles(
  paths: readonly string[],
  cameraId: string,
  options: AlgorithmWithRunner,
  output: Output,
): Promise<number> {
  const files = await expandPicturePaths(paths);
  const tally = { ok: 0, ng: 0, failed: 0 };
  /** Errors that stand behind a picture. An adapter's end is told both as an error and as the result of its call. */
  const told = new WeakSet<BridgeError>();
  const report = (result: FrameResult): void => {
    tally[result.outcome]++;
    if (result.outcome === 'failed') told.add(result.error);
    const file = files[result.sequence - 1]!;
    if (output.json) output.line({ ...resultLine(result), file });
    else {
      output.endLive(true);
      output.text(`${describe(result)}  ${file}${reason(result)}\n`);
    }
    const done = tally.ok + tally.ng + tally.failed;
    if (process.stdout.isTTY && !output.json && done < files.length)
      output.live(`${done} of ${files.length}`);
  };
  let started = false;
  const runId = randomUUID();
  if (output.json) output.line(startLine(runId));
  const { saveAnnotated: folder } = options;
  const drawn = folder === undefined ? undefined : await openDrawn(folder, files, cameraId, output);
  /** An error is said for the first picture of those in a row that cannot be drawn. */
  let drawing = true;
  const draw = async (frame: Frame, call: CallResult): Promise<void> => {
    if (!drawn) return;
    await saveAnnotated(drawn, frame, call).then(
      () => (drawing = true),
      (error: unknown) => {
        if (drawing) output.error(asBridgeError(error));
        drawing = false;
      },
    );
  };
  const tell = (error: BridgeError): void => {
    // What goes wrong before is said by the rejection of `start`.
    if (!started) return;
    const level = typeof error.context['unknownType'] === 'string' ? 'warn' : 'error';
    // The result, if there is one, comes within this turn of the event loop.
    setImmediate(() => {
      if (output.json || !told.has(error) || error === algorithm.failure) output.error(error, false, level);
    });
  };
  const algorithm = await Algorithm.open(options.runner, options, {
    result: (_frame, result) => report(result),
    skipped: () => undefined,
    recovered: () => undefined,
    draw,
    state: () => undefined,
    log: (line, worker) => {
      if (output.json) output.line(eventLine({ type: 'log', runId, cameraId, line, worker }));
      output.log(line.level, `algorithm: ${line.message}`, { source: 'algorithm', fields: line.fields });
    },
    error: tell,
    failing: tell,
  });
  let stopped = false;
  const stopListening = onStop(
    () => {
      stopped = true;
      void untilStopped(algorithm.stop(), output);
    },
    () => void algorithm.close(AbortSignal.abort()),
  );
  try {
    await algorithm.start();
    started = true;
    for (const [index, path] of files.entries()) {
      if (stopped || algorithm.failure) break;
      const { jpeg, width, height } = await readPicture(path);
      const sequence = index + 1;
      const fields = {
        runId,
        cameraId,
        sequence,
        width,
        height,
        jpeg,
        timestampMs: Date.now(),
      };
      await algorithm.write(new Frame({ ...fields, captureNumber: undefined }));
    }
    if (!stopped) await algorithm.drained();
    const stray = describeStray(algorithm.takeStats().stray);
    if (stray !== undefined) output.log('warn', `the algorithm gave ${stray}`);
  } catch (error) {
    // It was stopped while it started.
    if (!stopped) throw error;
  } finally {
    await (stopped ? algorithm.stop() : algorithm.close());
    stopListening();
  }
  output.endLive(true);
  if (!output.json) {
    const failed = tally.failed > 0 ? `, ${tally.failed} without a verdict` : '';
    const left = files.length - tally.ok - tally.ng - tally.failed;
    output.text(`${tally.ok} OK, ${tally.ng} NG${failed}${left > 0 ? `, ${left} not looked at` : ''}\n`);
  }
  if (tally.failed > 0 || tally.ok + tally.ng < files.length) return stopped ? EXIT.done : EXIT.algorithm;
  return tally.ng > 0 ? EXIT.no : EXIT.done;
}

/** The folder for annotated images, in which those of an earlier run have made way. OPTION_INVALID, FILE_FAILED. */
async function openDrawn(
  folder: string,
  images: readonly string[],
  cameraId: string,
  output: Output,
): Promise<SavedFiles> {
  const annotated = await AnnotatedFiles.open(folder);
  for (const image of images) await annotated.checkApart(image);
  const drawn = await annotated.of(cameraId);
  if (drawn.earlier !== undefined)
    output.log('info', `annotated images of an earlier run were moved to ${drawn.earlier}`);
  return drawn;
}

function describe(result: FrameResult): string {
  const verdict = result.outcome === 'failed' ? 'no verdict' : result.resultStatus;
  return `${verdict.padEnd(10)} ${result.latencyMs.toFixed(1).padStart(8)} ms`;
}

function reason(result: FrameResult): string {
  if (result.outcome === 'failed') return `  ${inFlags(result.error)} [${result.code}]`;
  const rects = result.defectRects.length;
  const marks = [
    ...(result.ngReason === undefined ? [] : [result.ngReason]),
    ...(rects === 0 ? [] : [`${rects} defect${rects === 1 ? '' : 's'}`]),
    ...result.flags,
  ];
  return marks.length === 0 ? '' : `  ${marks.join('; ')}`;
}
