/** The recording that a run's options ask for. Loaded when it is asked for. */
import { exitNow } from '../libc.js';
import type { RunOptions } from '../options/index.js';
import type { Recorder } from '../recording/index.js';
import type { Output } from './output.js';
import { flushOutput } from './stop-signals.js';

/** Begins it, and says where; FILE_FAILED. undefined: none is asked for. */
export async function openRecorder(
  { record: path, recordWire: wire }: RunOptions,
  runId: string,
  output: Output,
): Promise<Recorder | undefined> {
  if (path === undefined) return undefined;
  const { Recorder } = await import('../recording/index.js');
  const recorder = await Recorder.open({ path, wire, runId });
  output.log('info', `recording to ${recorder.path}`);
  if (recorder.earlier !== undefined) {
    output.log('info', `an earlier recording was moved to ${recorder.earlier}`);
  }
  return recorder;
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
