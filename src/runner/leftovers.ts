/**
 * A record of each adapter that runs, in a file of its own under `/dev/shm`, so that the next bridge finds those that a
 * killed bridge left hanging. Without `/dev/shm` and `/proc` (not Linux) there are no records.
 */
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '../async.js';
import {
  decodeOwner,
  encodeOwner,
  findOwner,
  liveness,
  OWNER_SIZE,
  type Owner,
  thisOwner,
} from '../shm/index.js';
import { type LogLine, parseLine } from './log-lines.js';

const DIRECTORY = '/dev/shm';
const NAME = /^openmv-bridge-\d+-adapter-\d+$/;
/** Of the command, for people. */
const MAX_COMMAND_CHARACTERS = 200;
const MAX_RECORD_BYTES = 4_096;
/** An incomplete record that is younger may be in the making. */
const UNFINISHED_GRACE_MS = 60_000;
/** Interval of looks whether a record is still there: what empties `/dev/shm` takes it as well. */
const LOOK_MS = 1_000;
/** Interval of looks at a process that is being ended. */
const POLL_MS = 10;
/** From SIGKILL to giving up: a process inside a driver's call may not even get that. */
const KILLED_MS = 1_000;

/** Windows has no process groups: there, signals go to the adapter alone. */
export const HAS_GROUPS = process.platform !== 'win32';

/** Sends a signal to every process of an adapter's group, 0 to look only; false when none is left. */
export function signalGroup(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(HAS_GROUPS ? -pid : pid, signal);
  } catch {
    return false;
  }
}

interface AdapterRecord {
  readonly path: string;
  readonly adapter: Owner;
  readonly command: string;
}

/**
 * Keeps a record of the adapter that was just started; returns what removes it. Without a record that cannot be written
 * the adapter runs all the same.
 */
export function recordAdapter(pid: number, command: readonly string[]): () => void {
  const adapter = findOwner(pid);
  if (adapter === undefined) return () => undefined;
  const path = join(DIRECTORY, `openmv-bridge-${process.pid}-adapter-${pid}`);
  const text = command.join(' ').slice(0, MAX_COMMAND_CHARACTERS);
  const bytes = Buffer.concat([encodeOwner(thisOwner()), encodeOwner(adapter), Buffer.from(text)]);
  writeRecord(path, bytes);
  const looks = setInterval(() => {
    if (!existsSync(path)) writeRecord(path, bytes);
  }, LOOK_MS).unref();
  return () => {
    clearInterval(looks);
    removeRecord(path);
  };
}

function writeRecord(path: string, bytes: Uint8Array): void {
  try {
    // Of the same two pids in an earlier life.
    rmSync(path, { force: true });
    writeFileSync(path, bytes, { flag: 'wx', mode: 0o600 });
  } catch {
    removeRecord(path);
  }
}

/** Never throws: what cannot be removed now can be by a later bridge. */
function removeRecord(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Gone already, or another user's.
  }
}

/**
 * Ends the adapters that killed bridges of this user left behind, and what those started: SIGTERM, and SIGKILL after
 * `killMs`. Resolves when they are gone, so that their memory and devices are free; `onLog` is told of each. Never
 * rejects. Only a process whose pid and start time are those of the adapter is touched.
 */
export async function endLeftoverAdapters(killMs: number, onLog: (line: LogLine) => void): Promise<void> {
  await Promise.all(readRecords().map((record) => end(record, killMs, onLog)));
}

/** The adapters that it would end. */
export function findLeftoverAdapters(): { readonly pid: number; readonly command: string }[] {
  return readRecords().map(({ adapter, command }) => ({ pid: adapter.pid, command }));
}

function readRecords(): AdapterRecord[] {
  let names: string[] = [];
  try {
    names = readdirSync(DIRECTORY).filter((name) => NAME.test(name));
  } catch {
    // Not there: no records.
  }
  return names.flatMap((name) => readRecord(join(DIRECTORY, name)) ?? []);
}

/** Whether it is this very process, and not another that got its pid. */
function stillRuns({ pid, startTime, pidNamespace }: Owner): boolean {
  const found = findOwner(pid);
  return found !== undefined && found.startTime === startTime && found.pidNamespace === pidNamespace;
}

/** The record of an adapter whose bridge is dead and that certainly still runs. Removes that of one that does not. */
function readRecord(path: string): AdapterRecord | undefined {
  try {
    const file = lstatSync(path);
    if (!file.isFile() || file.uid !== process.geteuid?.() || file.size > MAX_RECORD_BYTES) return undefined;
    const bytes = readFileSync(path);
    const bridge = decodeOwner(bytes);
    const adapter = decodeOwner(bytes, OWNER_SIZE);
    if (bridge === undefined || adapter === undefined) {
      if (Date.now() - file.mtimeMs > UNFINISHED_GRACE_MS) removeRecord(path);
      return undefined;
    }
    if (liveness(bridge) !== 'dead') return undefined;
    if (stillRuns(adapter)) return { path, adapter, command: bytes.toString('utf8', 2 * OWNER_SIZE) };
    removeRecord(path);
  } catch {
    // Gone meanwhile: another bridge removed it.
  }
  return undefined;
}

async function end(
  { path, adapter, command }: AdapterRecord,
  killMs: number,
  onLog: (line: LogLine) => void,
): Promise<void> {
  const { pid } = adapter;
  const gone = async (ms: number): Promise<boolean> => {
    for (let waited = 0; stillRuns(adapter) && waited < ms; waited += POLL_MS) await pause(POLL_MS);
    return !stillRuns(adapter);
  };
  signalGroup(pid, 'SIGTERM');
  const obeyed = await gone(killMs);
  // Its group keeps the number while a process is left in it.
  signalGroup(pid, 'SIGKILL');
  const ended = obeyed || (await gone(KILLED_MS));
  if (ended) removeRecord(path);
  const what = ended ? 'was ended' : 'could not be ended; it may still hold memory and devices';
  const text = `process ${pid} (${command}), left behind by a bridge that was killed, ${what}`;
  onLog({ ...parseLine(text), level: ended ? 'warn' : 'error' });
}
