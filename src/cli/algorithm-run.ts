/** An algorithm on frames that are there already: out of files, or out of a recording. */
import { Algorithm, eventLine, type FrameResult } from '../bridge/index.js';
import { asBridgeError, type BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import { type AnnotatedFiles, saveAnnotated } from '../pictures/index.js';
import { type CallResult, describeStray } from '../runner/index.js';
import type { AlgorithmWithRunner } from './command.js';
import { inFlags } from './flags.js';
import type { Output } from './output.js';
import { onStop, untilStopped } from './stop-signals.js';

export interface AlgorithmRun {
  readonly runId: string;
  /** The camera that lines of the algorithm's log are about. */
  readonly cameraId: string;
  readonly frames: AsyncIterable<Frame>;
  /** Where frames are drawn with their results. */
  readonly annotated: AnnotatedFiles | undefined;
  result(result: FrameResult): void;
}

/**
 * Calls the algorithm for each frame, tells its log and its errors, and ends it. `stopped`: by a signal, before the last
 * frame; `failed`: it was given up. RUNNER_NOT_FOUND, RUNNER_EXITED, RUNNER_TIMEOUT, and whatever `frames` ends in.
 */
export async function runAlgorithm(
  options: AlgorithmWithRunner,
  { runId, cameraId, frames, annotated, result: report }: AlgorithmRun,
  output: Output,
): Promise<{ readonly stopped: boolean; readonly failed: boolean }> {
  /** Errors that stand behind a frame. An adapter's end is told both as an error and as the result of its call. */
  const told = new WeakSet<BridgeError>();
  let started = false;
  /** An error is said for the first frame of those in a row that cannot be drawn. */
  let drawing = true;
  const draw = async (frame: Frame, call: CallResult): Promise<void> => {
    if (!annotated) return;
    try {
      await saveAnnotated(await annotated.of(frame.cameraId), frame, call);
      drawing = true;
    } catch (error) {
      if (drawing) output.error(asBridgeError(error));
      drawing = false;
    }
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
    result: (_frame, result) => {
      if (result.outcome === 'failed') told.add(result.error);
      report(result);
    },
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
    for await (const frame of frames) {
      if (stopped || algorithm.failure) break;
      await algorithm.write(frame);
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
  return { stopped, failed: algorithm.failure !== undefined };
}

/** What people are told of a result beside its verdict; undefined: there is no more. */
export function reasonOf(result: FrameResult): string | undefined {
  if (result.outcome === 'failed') return `${inFlags(result.error)} [${result.code}]`;
  const rects = result.defectRects.length;
  const marks = [
    ...(result.ngReason === undefined ? [] : [result.ngReason]),
    ...(rects === 0 ? [] : [`${rects} defect${rects === 1 ? '' : 's'}`]),
    ...result.flags,
  ];
  return marks.length === 0 ? undefined : marks.join('; ');
}
