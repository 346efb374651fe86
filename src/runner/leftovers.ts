/** Ends the adapters that bridges left behind which were killed: those that hang, and so did not see their stdin end. */
import { setTimeout as sleep } from 'node:timers/promises';
import { type AdapterRecord, leftoverAdapters, removeRecord, stillRuns } from './adapter-record.js';
import { type LogLine, parseLine } from './log-lines.js';
import { signalGroup } from './process-group.js';

/** How often one that is being ended is looked at. */
const POLL_MS = 10;
/** From SIGKILL to giving up: a process inside a driver's call may not even hear that. */
const KILLED_MS = 1_000;

/**
 * Ends each, and what it started: SIGTERM, and SIGKILL after `killMs`. Resolves when they are gone, so that their
 * memory and devices are free; `onLog` is told of each. Never rejects. Only a process whose pid and start time are
 * those of the adapter is touched.
 */
export async function endLeftoverAdapters(killMs: number, onLog: (line: LogLine) => void): Promise<void> {
  await Promise.all(leftoverAdapters().map((record) => end(record, killMs, onLog)));
}

async function end(
  { path, adapter, command }: AdapterRecord,
  killMs: number,
  onLog: (line: LogLine) => void,
): Promise<void> {
  const { pid } = adapter;
  const gone = async (ms: number): Promise<boolean> => {
    for (let waited = 0; stillRuns(adapter) && waited < ms; waited += POLL_MS) await sleep(POLL_MS);
    return !stillRuns(adapter);
  };
  signalGroup(pid, 'SIGTERM');
  const obeyed = await gone(killMs);
  // Its group keeps the number for as long as somebody is left in it.
  signalGroup(pid, 'SIGKILL');
  const who = `process ${pid} (${command}), left behind by a bridge that was killed,`;
  if (obeyed || (await gone(KILLED_MS))) {
    removeRecord(path);
    onLog({ ...parseLine(`${who} was ended`), level: 'warn' });
  } else {
    onLog({
      ...parseLine(`${who} could not be ended; it may still hold memory and devices`),
      level: 'error',
    });
  }
}
