/** The recording that a run's options ask for. Loaded when it is asked for. */
import { BridgeError } from '../errors.js';
import { exitNow } from '../libc.js';
import type { BridgeInput, RunOptions } from '../options/index.js';
import type { LiveServer, Recorder } from '../recording/index.js';
import type { Output } from './output.js';
import { flushOutput } from './stop-signals.js';

/** Begins it, and says where. FILE_FAILED, OPTION_INVALID. undefined: none is asked for. */
export async function openRecorder(
  options: RunOptions,
  bridges: readonly BridgeInput[],
  runId: string,
  output: Output,
): Promise<Recorder | undefined> {
  const { record: path, recordWire: wire, recordWhen, recordAroundMs } = options;
  if (path === undefined) return undefined;
  if (recordWhen === 'ng' && bridges.every(({ runner }) => runner === undefined)) {
    throw new BridgeError('OPTION_INVALID', 'recordWhen ng needs an algorithm, whose outcomes decide.', {
      context: { options: ['recordWhen', 'runner'] },
    });
  }
  const { Recorder } = await import('../recording/index.js');
  const { recordSplitBytes: splitBytes, recordSplitMs: splitMs, recordMaxBytes: maxBytes } = options;
  const limits = { splitBytes, splitMs, maxBytes };
  const aroundNgMs = recordWhen === 'ng' ? recordAroundMs : undefined;
  const recorder = await Recorder.open({ path, limits, aroundNgMs, wire, runId });
  output.log('info', `recording to ${recorder.path}`);
  if (recorder.earlier !== undefined) {
    output.log('info', `an earlier recording was moved to ${recorder.earlier}`);
  }
  return recorder;
}

/** Serves the channels of recordings live, and says where. OPTION_INVALID, FILE_FAILED, HTTP_FAILED. */
export async function openLive(options: RunOptions, output: Output): Promise<LiveServer | undefined> {
  const { foxglove, httpToken, httpTokenFile } = options;
  if (foxglove === undefined) return undefined;
  const { LiveServer } = await import('../recording/index.js');
  const live = await LiveServer.open({ foxglove, httpToken, httpTokenFile });
  output.log('info', `for Foxglove and Lichtblick: ${live.url}${live.needsToken ? '?token=TOKEN' : ''}`);
  return live;
}

/** Ends it, and sees to it that the process ends as well when the disk does not answer. What no bridge could tell is told. */
export async function endRecorder(recorder: Recorder | undefined, output: Output): Promise<void> {
  if (!recorder || recorder.closed) return;
  process.on('exit', (status) => {
    if (recorder.stuck) exitNow(status);
  });
  const failure = await recorder.close();
  if (failure) output.error(failure);
  if (!recorder.stuck) return;
  // A write under way keeps the process alive.
  setImmediate(() => void flushOutput().then(() => process.exit()));
}
