/** `openmv-bridge algo replay FILE -- CMD`: today's algorithm on the frames of a recording, compared with its results. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { type FrameResult, resultLine, startLine } from '../../bridge/index.js';
import { BridgeError } from '../../errors.js';
import { Frame } from '../../frames/index.js';
import { runOptionsSchema } from '../../options/index.js';
import { AnnotatedFiles } from '../../pictures/index.js';
import { type RecordedLine, readRecorded, readRecordedLines } from '../../replay/index.js';
import { reasonOf, runAlgorithm } from '../algorithm-run.js';
import { type AlgorithmWithRunner, algorithmFlags, ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';
import { type FrameRange, frameRangeShape, inRange } from '../frame-range.js';
import { reportLine } from '../lines.js';
import type { Output } from '../output.js';

type Verdict = 'OK' | 'NG' | null;

/** What a recording says of a frame beside its picture. */
interface Recorded {
  /** undefined: it has no result. */
  readonly verdict?: Verdict;
  readonly reason?: string | undefined;
  /** What the camera's script attached. */
  readonly data?: unknown;
}

interface Change {
  readonly cameraId: string;
  readonly sequence: number;
  readonly recorded: Verdict;
  readonly now: Verdict;
  readonly reason: string | undefined;
}

export function configure(command: Command, words: readonly string[]): void {
  command
    .description("compare verdicts with a recording's; ends with 0: none changed, 1: some, 5: one is missing")
    .usage('[options] FILE -- ALGORITHM...')
    .argument('<file>', 'an MCAP recording');
  const own = ownFlags(command, {
    ...frameRangeShape,
    json: runOptionsSchema.shape.json,
  });
  const given = algorithmFlags(command, words, ['delivery']);
  command.action((file: string) => {
    const { json, ...range } = own();
    return withOutput(json, (output) => replay(file, range, { ...given(), delivery: 'every' }, output));
  });
}

async function replay(
  file: string,
  range: FrameRange,
  options: AlgorithmWithRunner,
  output: Output,
): Promise<number> {
  const cameraId = await firstCamera(file, range);
  const recorded = await recordedOf(file);
  const runId = randomUUID();
  if (output.json) output.line(startLine(runId));
  const changes: Change[] = [];
  const count = { frames: 0, compared: 0, failed: 0 };
  const report = (result: FrameResult): void => {
    count.frames++;
    if (result.outcome === 'failed') count.failed++;
    if (output.json) output.line(resultLine(result));
    const before = recorded.get(keyOf(result));
    if (before?.verdict !== undefined) {
      count.compared++;
      const change = changeOf(before, result);
      if (change) changes.push(change);
      if (change && output.json) output.line(reportLine('change', change));
    }
    if (process.stdout.isTTY && !output.json)
      output.live(`${count.frames} frames, ${changes.length} verdicts changed`);
  };
  async function* frames(): AsyncGenerator<Frame> {
    const wanted = inRange(range);
    for await (const item of readRecorded(file, ['frame'])) {
      if (item.type !== 'frame' || !wanted(item.frame)) continue;
      const data = recorded.get(keyOf(item.frame))?.data;
      yield new Frame({ ...item.frame, runId, data, captureNumber: undefined });
    }
  }
  const { saveAnnotated: folder } = options;
  const annotated = folder === undefined ? undefined : await AnnotatedFiles.open(folder);
  const run = { runId, cameraId, frames: frames(), annotated, result: report };
  const { stopped, failed } = await runAlgorithm(options, run, output);
  for (const earlier of annotated?.earlier ?? [])
    output.log('info', `annotated images of an earlier run were moved to ${earlier}`);
  if (output.json) output.line(reportLine('comparison', { ...count, changed: changes.length }));
  else output.text(table(changes) + summary(count, changes.length));
  if (count.compared === 0 && count.frames > 0)
    output.log('warn', `${file} has no results of these frames: nothing was compared`);
  if (stopped) output.log('warn', 'it was stopped before the end of the recording');
  else if (failed || count.failed > 0) return EXIT.algorithm;
  return changes.length > 0 ? EXIT.no : EXIT.done;
}

const keyOf = ({ cameraId, sequence }: { cameraId: string; sequence: number }): string =>
  `${cameraId} ${sequence}`;

/** The camera of the first frame that is wanted. OPTION_INVALID: there is none. */
async function firstCamera(file: string, range: FrameRange): Promise<string> {
  const wanted = inRange(range);
  let all = 0;
  for await (const item of readRecorded(file, ['frame'])) {
    if (item.type !== 'frame') continue;
    if (wanted(item.frame)) return item.frame.cameraId;
    all++;
  }
  throw new BridgeError(
    'OPTION_INVALID',
    all === 0
      ? `There are no frames in ${file}. Of a recording of the line alone, --port replay:${file} --speed max --save DIR makes images for \`algo run\`.`
      : `None of the ${all} frames in ${file} is wanted: choose another camera, other sequences or another time.`,
  );
}

/** Verdicts of a whole recording, and what scripts attached: some hundred bytes a frame, read before the frames are. */
async function recordedOf(file: string): Promise<Map<string, Recorded>> {
  const recorded = new Map<string, Recorded>();
  for await (const one of readRecordedLines(file, ['result', 'event'])) {
    const known = recorded.get(keyOf(one));
    const { type, data } = one.line;
    if (type === 'result') recorded.set(keyOf(one), { ...known, ...verdictOf(one) });
    else if (type === 'frame' && data !== undefined) recorded.set(keyOf(one), { ...known, data });
  }
  return recorded;
}

function verdictOf({ line }: RecordedLine): Recorded {
  const { resultStatus, error, data } = line as {
    resultStatus?: unknown;
    error?: { message?: unknown };
    data?: { ng_reason?: unknown } | null;
  };
  const verdict = resultStatus === 'OK' || resultStatus === 'NG' ? resultStatus : null;
  const reason = error?.message ?? data?.ng_reason;
  return { verdict, reason: typeof reason === 'string' && reason !== '' ? reason : undefined };
}

function changeOf(
  { verdict: before, reason: reasonThen }: Recorded,
  result: FrameResult,
): Change | undefined {
  const now = result.outcome === 'failed' ? null : result.resultStatus;
  if (before === undefined || now === before) return undefined;
  const reason = reasonOf(result) ?? (reasonThen === undefined ? undefined : `then: ${reasonThen}`);
  return { cameraId: result.cameraId, sequence: result.sequence, recorded: before, now, reason };
}

function table(changes: readonly Change[]): string {
  if (changes.length === 0) return '';
  const several = new Set(changes.map((change) => change.cameraId)).size > 1;
  const width = Math.max('camera'.length, ...changes.map((change) => change.cameraId.length));
  const row = (camera: string, ...cells: [string, string, string, string]): string => {
    const [sequence, then, now, reason] = cells;
    const verdicts = `${sequence.padStart(8)}  ${then.padEnd(10)}  ${now.padEnd(10)}  ${reason}`;
    return `${several ? `${camera.padEnd(width)}  ` : ''}${verdicts}`.trimEnd();
  };
  const word = (verdict: Verdict): string => verdict ?? 'no verdict';
  const rows = changes.map(({ cameraId, sequence, recorded, now, reason = '' }) =>
    row(cameraId, String(sequence), word(recorded), word(now), reason),
  );
  return `${[row('camera', 'sequence', 'then', 'now', 'reason'), ...rows].join('\n')}\n`;
}

function summary(
  { frames, compared, failed }: { frames: number; compared: number; failed: number },
  changed: number,
): string {
  const without = frames - compared;
  const parts = [
    `${changed} of ${compared} verdicts changed`,
    ...(without > 0 ? [`${without} frames without a recorded result`] : []),
    ...(failed > 0 ? [`${failed} without a verdict now`] : []),
  ];
  return `${parts.join(', ')}\n`;
}
