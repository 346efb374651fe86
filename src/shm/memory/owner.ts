/**
 * Who made a segment or a directory, and whether that process still lives. A pid alone is not enough: pids are used
 * again, so the process's start time goes with it, and the pid namespace too, because a container that shares
 * `/dev/shm` has pids of its own.
 */
import { readFileSync, readlinkSync } from 'node:fs';
import { systemCode } from './system-errors.js';

export interface Owner {
  readonly pid: number;
  /** Clock ticks since boot (`/proc/<pid>/stat`, field 22); 0 where there is no `/proc`. */
  readonly startTime: number;
  /** Inode number of the pid namespace; 0 or absent when unknown. */
  readonly pidNamespace?: number;
}

/** The bytes of an owner record, for headers and marker files: see `encodeOwner`. */
export const OWNER_SIZE = 24;
/** The first word of an owner record: the bytes `OMVB` on a little-endian machine. */
export const OWNER_MAGIC = 0x42564d4f;
/** Offset of the record's state word. */
export const OWNER_STATE_OFFSET = 20;
export const OWNER_OPEN = 1;
export const OWNER_CLOSED = 2;

export interface OwnerRecord extends Owner {
  readonly pidNamespace: number;
  /** The owner let go of it on purpose. */
  readonly closed: boolean;
}

const FIELDS_BEFORE_STATE = 3;
const START_TIME_FIELD = 22;

interface ProcessStat {
  /** One letter: R, S, D, Z (dead, not yet reaped), ... */
  readonly state: string;
  readonly startTime: number;
}

function readStat(process: number | 'self'): ProcessStat | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${process}/stat`, 'latin1');
  } catch {
    return undefined;
  }
  // The second field is the command in parentheses, which may hold spaces and parentheses itself.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const startTime = Number(fields[START_TIME_FIELD - FIELDS_BEFORE_STATE]);
  return Number.isSafeInteger(startTime) ? { state: fields[0] ?? '', startTime } : undefined;
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

let namespaceOfThis: number | undefined;

function pidNamespace(): number {
  namespaceOfThis ??= Number(/\[(\d+)\]/.exec(link('/proc/self/ns/pid'))?.[1] ?? 0) >>> 0;
  return namespaceOfThis;
}

/** Whether `/proc` is there and counts pids as this process does: a sandbox may show that of the machine around it. */
function procSpeaksOurPids(): boolean {
  return link('/proc/self') === String(process.pid);
}

/** This process. */
export function thisOwner(): Required<Owner> {
  const startTime = procSpeaksOurPids() ? (readStat('self')?.startTime ?? 0) : 0;
  return { pid: process.pid, startTime, pidNamespace: pidNamespace() };
}

/** Another process, with its start time; undefined when it is gone (a zombie is) or cannot be seen for certain. */
export function findOwner(pid: number): Required<Owner> | undefined {
  const stat = procSpeaksOurPids() ? readStat(pid) : undefined;
  if (stat === undefined || stat.state === 'Z' || stat.state === 'X') return undefined;
  return { pid, startTime: stat.startTime, pidNamespace: pidNamespace() };
}

function exists(pid: number): boolean {
  if (!Number.isInteger(pid) || pid <= 0 || pid > 0x7fffffff) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it exists and belongs to another user.
    return systemCode(error) === 'EPERM';
  }
}

/** `unknown`: the owner lives, or lived, in another pid namespace and cannot be seen from here. */
export function liveness(owner: Owner): 'alive' | 'dead' | 'unknown' {
  const theirs = owner.pidNamespace ?? 0;
  const ours = pidNamespace();
  if (theirs !== 0 && ours !== 0 && theirs !== ours) return 'unknown';
  if (!exists(owner.pid)) return 'dead';
  const stat = procSpeaksOurPids() ? readStat(owner.pid) : undefined;
  // There, but not to be seen (no /proc, or hidden by hidepid): what may live is never taken for dead.
  if (stat === undefined || owner.startTime === 0) return 'alive';
  // A zombie holds nothing any more, and without an init process it stays for ever.
  if (stat.state === 'Z' || stat.state === 'X') return 'dead';
  return stat.startTime === owner.startTime ? 'alive' : 'dead';
}

/** Whether the owner may still live: false only when it is certain that it does not. */
export function isAlive(owner: Owner): boolean {
  return liveness(owner) !== 'dead';
}

/**
 * An owner record of 24 bytes in host byte order: u32 magic, u32 pid, u64 start time, u32 pid namespace, u32 state
 * (1 open, 2 closed).
 */
export function encodeOwner(owner: Required<Owner>): Uint8Array {
  const words = new Uint32Array(OWNER_SIZE / 4);
  words[0] = OWNER_MAGIC;
  words[1] = owner.pid;
  new BigUint64Array(words.buffer, 8, 1)[0] = BigInt(owner.startTime);
  words[4] = owner.pidNamespace;
  words[OWNER_STATE_OFFSET / 4] = OWNER_OPEN;
  return new Uint8Array(words.buffer);
}

/** The record at `offset` of `bytes`, or undefined when none stands there. */
export function decodeOwner(bytes: Uint8Array, offset = 0): OwnerRecord | undefined {
  if (bytes.length < offset + OWNER_SIZE) return undefined;
  // A copy, because the record need not be aligned in `bytes`.
  const record = new Uint8Array(OWNER_SIZE);
  record.set(bytes.subarray(offset, offset + OWNER_SIZE));
  const words = new Uint32Array(record.buffer);
  if (words[0] !== OWNER_MAGIC) return undefined;
  return {
    pid: words[1]!,
    startTime: Number(new BigUint64Array(record.buffer, 8, 1)[0]),
    pidNamespace: words[4]!,
    closed: words[OWNER_STATE_OFFSET / 4] === OWNER_CLOSED,
  };
}
