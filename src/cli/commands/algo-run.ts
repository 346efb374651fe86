/** `openmv-bridge algo run IMAGE... -- CMD`: an algorithm on pictures out of files. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { type FrameResult, resultLine, startLine } from '../../bridge/index.js';
import { Frame } from '../../frames/index.js';
import { cameraOptionsSchema, runOptionsSchema } from '../../options/index.js';
import { AnnotatedFiles, expandPicturePaths, readPicture } from '../../pictures/index.js';
import { reasonOf, runAlgorithm } from '../algorithm-run.js';
import { type AlgorithmWithRunner, algorithmFlags, ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import type { Output } from '../output.js';

export function configure(command: Command, words: readonly string[]): void {
  command
    .description('call an algorithm for images; ends with 0: all OK, 1: some NG, 5: some without a verdict')
    .usage('[options] IMAGE... -- ALGORITHM...')
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
  const report = (result: FrameResult): void => {
    tally[result.outcome]++;
    const file = files[result.sequence - 1]!;
    if (output.json) output.line({ ...resultLine(result), file });
    else {
      output.endLive(true);
      const reason = reasonOf(result);
      output.text(`${describe(result)}  ${file}${reason === undefined ? '' : `  ${reason}`}\n`);
    }
    const done = tally.ok + tally.ng + tally.failed;
    if (process.stdout.isTTY && !output.json && done < files.length)
      output.live(`${done} of ${files.length}`);
  };
  const runId = randomUUID();
  if (output.json) output.line(startLine(runId));
  const { saveAnnotated: folder } = options;
  const annotated = folder === undefined ? undefined : await openDrawn(folder, files, cameraId, output);
  async function* frames(): AsyncGenerator<Frame> {
    for (const [index, path] of files.entries()) {
      const { jpeg, width, height } = await readPicture(path);
      const fields = { runId, cameraId, sequence: index + 1, width, height, jpeg, timestampMs: Date.now() };
      yield new Frame({ ...fields, captureNumber: undefined });
    }
  }
  const run = { runId, cameraId, frames: frames(), annotated, result: report };
  const { stopped } = await runAlgorithm(options, run, output);
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
): Promise<AnnotatedFiles> {
  const annotated = await AnnotatedFiles.open(folder);
  for (const image of images) await annotated.checkApart(image);
  const drawn = await annotated.of(cameraId);
  if (drawn.earlier !== undefined)
    output.log('info', `annotated images of an earlier run were moved to ${drawn.earlier}`);
  return annotated;
}

function describe(result: FrameResult): string {
  const verdict = result.outcome === 'failed' ? 'no verdict' : result.resultStatus;
  return `${verdict.padEnd(10)} ${result.latencyMs.toFixed(1).padStart(8)} ms`;
}
