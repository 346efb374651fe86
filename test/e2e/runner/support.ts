import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import type { ImageReference } from '../../../src/adapter/dialects.js';
import type { BridgeError } from '../../../src/errors.js';
import type { CallRequest } from '../../../src/runner/call.js';
import type { LogLine } from '../../../src/runner/log-lines.js';
import type { RunnerOptions } from '../../../src/runner/options.js';
import type { CallResult, FailedCall, Verdict } from '../../../src/runner/result.js';
import { AlgorithmRunner } from '../../../src/runner/runner.js';
import type { RunnerState } from '../../../src/runner/state.js';
import { needsOf } from '../../support/needs.js';

export const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url));

/** The Python adapter that behaves as an SDK generation does. */
export const sdk = (generation: '0.3' | '0.0', behaviour = ''): string[] => [
  'python3',
  fixture('sdk_adapter.py'),
  generation,
  behaviour,
];

/** The Node adapter with the faults of the wire. */
export const node = (behaviour = ''): string[] => [process.execPath, fixture('adapter.mjs'), behaviour];

let pictures = 0;
export function picture(more: Partial<ImageReference> = {}): ImageReference {
  pictures += 1;
  return {
    id: `frame-${pictures}`,
    width: 320,
    height: 240,
    timestampMs: 1_700_000_000_000,
    cameraId: 'cam',
    ...more,
  };
}

export interface Observed {
  readonly runner: AlgorithmRunner;
  readonly states: RunnerState[];
  readonly logs: LogLine[];
  readonly problems: BridgeError[];
  /** Submits one picture and counts how often it is released. */
  call(more?: Partial<CallRequest>): Promise<CallResult>;
  readonly released: { count: number };
}

const opened: AlgorithmRunner[] = [];

export function observe(command: RunnerOptions['command'], more: Partial<RunnerOptions> = {}): Observed {
  if (typeof command !== 'string') needsOf(command);
  const states: RunnerState[] = [];
  const logs: LogLine[] = [];
  const problems: BridgeError[] = [];
  const released = { count: 0 };
  const { timings, ...rest } = more;
  const runner = new AlgorithmRunner(
    {
      command,
      imageDirectory: tmpdir(),
      runnerVersion: '1.2.3',
      ...rest,
      // Restarts at once and short last steps: tests wait for what happens, not for clocks.
      timings: { backoffMinMs: 1, shutdownMs: 2_000, killMs: 300, ...timings },
    },
    {
      onState: (state) => states.push(state),
      onLog: (line) => logs.push(line),
      onProblem: (error) => problems.push(error),
    },
  );
  opened.push(runner);
  const call = (request: Partial<CallRequest> = {}) =>
    runner.submit({
      image: picture(),
      release: () => {
        released.count += 1;
      },
      ...request,
    });
  return { runner, states, logs, problems, call, released };
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((runner) => runner.close()));
});

export function verdict(result: CallResult): Verdict {
  if (result.outcome === 'failed') throw result.error;
  return result;
}

export function failure(result: CallResult): FailedCall {
  if (result.outcome !== 'failed') throw new Error(`expected a failed call, got ${result.resultStatus}`);
  return result;
}

/** Waits until the condition holds; the test's own time limit is the limit. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** State letter and parent of a process, or undefined when there is none of that id. */
function processStatus(pid: number): { state: string; parent: number; group: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: state!, parent: Number(parent), group: Number(group) };
  } catch {
    return undefined;
  }
}

/** Running, not gone and not merely unreaped. */
export function alive(pid: number): boolean {
  const status = processStatus(pid);
  return status !== undefined && status.state !== 'Z' && status.state !== 'X';
}

/** Ids of the running processes that this one started. Linux only, as is `alive`. */
export function children(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => alive(pid) && processStatus(pid)?.parent === process.pid);
}
