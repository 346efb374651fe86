/**
 * Which process made a segment or a directory, and whether it still lives. A pid alone is not enough: pids are used
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
const OWNER_MAGIC = 0x42564d4f;
/** Offset of the record's state word. */
export const OWNER_STATE_OFFSET = 20;
const OWNER_OPEN = 1;
export const OWNER_CLOSED = 2;

export interface OwnerRecord extends Required<Owner> {
  /** The owner let go of it on purpose. */
  readonly closed: boolean;
}

/** Fields of `/proc/<pid>/stat` behind the command, which may hold spaces and parentheses itself: state, start time. */
const [STATE, START_TIME] = [0, 19];

/** Undefined: there is no such process, or it cannot be seen. `dead`: it has ended and is not reaped. */
function readStat(pid: number | 'self'): { readonly dead: boolean; readonly startTime: number } | undefined {
  try {
    // A sandbox may show the /proc of the machine around it, with other pids.
    if (readlinkSync('/proc/self') !== String(process.pid)) return undefined;
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    const startTime = Number(fields[START_TIME]);
    const dead = fields[STATE] === 'Z' || fields[STATE] === 'X';
    return Number.isSafeInteger(startTime) ? { dead, startTime } : undefined;
  } catch {
    return undefined;
  }
}

let namespaceOfThis: number | undefined;

function pidNamespace(): number {
  if (namespaceOfThis !== undefined) return namespaceOfThis;
  let link = '';
  try {
    link = readlinkSync('/proc/self/ns/pid');
  } catch {
    // There is no /proc.
  }
  namespaceOfThis = Number(/\[(\d+)\]/.exec(link)?.[1] ?? 0) >>> 0;
  return namespaceOfThis;
}

/** This process. */
export function thisOwner(): Required<Owner> {
  return { pid: process.pid, startTime: readStat('self')?.startTime ?? 0, pidNamespace: pidNamespace() };
}

/** Another process, with its start time; undefined when it is gone (a zombie is) or cannot be seen for certain. */
export function findOwner(pid: number): Required<Owner> | undefined {
  const stat = readStat(pid);
  if (stat === undefined || stat.dead) return undefined;
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
  const stat = readStat(owner.pid);
  // There, but not to be seen (no /proc, or hidden by hidepid): what may live is never taken for dead.
  if (stat === undefined || owner.startTime === 0) return 'alive';
  // A zombie holds nothing any more, and without an init process it stays for ever.
  return !stat.dead && stat.startTime === owner.startTime ? 'alive' : 'dead';
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
  const words = Uint32Array.of(OWNER_MAGIC, owner.pid, 0, 0, owner.pidNamespace, OWNER_OPEN);
  new BigUint64Array(words.buffer, 8, 1)[0] = BigInt(owner.startTime);
  return new Uint8Array(words.buffer);
}

/** The record at `offset` of `bytes`, or undefined when none is there. */
export function decodeOwner(bytes: Uint8Array, offset = 0): OwnerRecord | undefined {
  if (bytes.length < offset + OWNER_SIZE) return undefined;
  // A copy, because the record need not be aligned in `bytes`.
  const { buffer } = Uint8Array.from(bytes.subarray(offset, offset + OWNER_SIZE));
  const [magic, pid, , , namespace, state] = new Uint32Array(buffer);
  if (magic !== OWNER_MAGIC) return undefined;
  const startTime = Number(new BigUint64Array(buffer, 8, 1)[0]);
  return { pid: pid!, startTime, pidNamespace: namespace!, closed: state === OWNER_CLOSED };
}
