/**
 * A record of each adapter that runs, in a file of its own under `/dev/shm`, for the bridge that comes after one that
 * was killed: its pid, and what tells it from another process of that pid. Without `/dev/shm` and `/proc` (not Linux)
 * there are no records.
 */
import { lstatSync, readdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  decodeOwner,
  encodeOwner,
  findOwner,
  liveness,
  OWNER_SIZE,
  type Owner,
  thisOwner,
} from '../shm/memory/owner.js';

const DIRECTORY = '/dev/shm';
const NAME = /^openmv-bridge-\d+-adapter-\d+$/;
/** Of the command, for people. */
const MAX_COMMAND_CHARACTERS = 200;
const MAX_RECORD_BYTES = 4_096;
/** What is younger and not complete may be in the making. */
const UNFINISHED_GRACE_MS = 60_000;

export interface AdapterRecord {
  readonly path: string;
  readonly adapter: Owner;
  readonly command: string;
}

/**
 * Writes the record of the adapter that was just started; returns what removes it again. A record that cannot be
 * written is done without: the adapter is needed more than its record.
 */
export function recordAdapter(pid: number, command: readonly string[]): () => void {
  const adapter = findOwner(pid);
  if (adapter === undefined) return () => undefined;
  const path = join(DIRECTORY, `openmv-bridge-${process.pid}-adapter-${pid}`);
  const text = command.join(' ').slice(0, MAX_COMMAND_CHARACTERS);
  const bytes = Buffer.concat([encodeOwner(thisOwner()), encodeOwner(adapter), Buffer.from(text)]);
  try {
    // Of the same two pids in an earlier life.
    rmSync(path, { force: true });
    writeFileSync(path, bytes, { flag: 'wx', mode: 0o600 });
  } catch {
    removeRecord(path);
  }
  return () => removeRecord(path);
}

/** Never throws: what cannot be removed now can be by a later bridge. */
export function removeRecord(path: string): void {
  try {
    unlinkSync(path);
  } catch {
    // Gone already, or another user's.
  }
}

/** The adapters of dead bridges of this user that certainly still run. Records of those that do not are removed. */
export function leftoverAdapters(): AdapterRecord[] {
  let names: string[];
  try {
    names = readdirSync(DIRECTORY).filter((name) => NAME.test(name));
  } catch {
    return [];
  }
  return names.flatMap((name) => readRecord(join(DIRECTORY, name)) ?? []);
}

/** Whether it is this very process, and not another that got its pid. */
export function stillRuns({ pid, startTime, pidNamespace }: Owner): boolean {
  const found = findOwner(pid);
  return found !== undefined && found.startTime === startTime && found.pidNamespace === pidNamespace;
}

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
    // Gone meanwhile: somebody else saw to it.
  }
  return undefined;
}
