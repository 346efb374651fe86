/**
 * Adapters run in a process group of their own, so that a signal reaches whatever they started as well. No group
 * outlives this program's orderly end; when it is killed, adapters see the end of their stdin instead, and one that
 * hangs is found by the next bridge.
 */
import { recordAdapter } from './adapter-record.js';

/** Windows has no process groups: there, signals go to the adapter alone. */
const HAS_GROUPS = process.platform !== 'win32';

/** The leaders of the groups that run, and what removes the record of each. */
const live = new Map<number, () => void>();

function killAll(): void {
  for (const [pid, removeRecord] of live) {
    signalGroup(pid, 'SIGKILL');
    removeRecord();
  }
}

/** The group led by `pid`, which was just started by `command`, is to die with us. */
export function watchGroup(pid: number, command: readonly string[]): void {
  if (live.size === 0) process.on('exit', killAll);
  live.set(pid, recordAdapter(pid, command));
}

export function forgetGroup(pid: number): void {
  live.get(pid)?.();
  live.delete(pid);
  if (live.size === 0) process.off('exit', killAll);
}

/** Sends a signal to every process of the group; false when there is nobody left to get it. */
export function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(HAS_GROUPS ? -pid : pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Whether somebody is left in the group although its leader is gone. Its id stays taken for as long as that is so. */
export function groupSurvives(pid: number): boolean {
  if (!HAS_GROUPS) return false;
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}
