/** Reads a log of injected faults, so that the same packets meet the same faults once more. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { z } from 'zod';
import { BridgeError } from '../../errors.js';
import { readProblem } from '../../files.js';
import { type Fault, type FaultRecording, faultSchema } from './fault-plan.js';

/** `--virtual-faults replay:FILE`. */
const REPLAY = 'replay:';
/** Some runs of the longest log in one file; what is longer is something else. */
const MAX_LINES = 10_000_000;

const count = z.int().min(0);
const lineSchema = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('line'),
    camera: count,
    life: z.int().min(1),
    throttle: z.int().min(0).max(1_000_000_000),
  }),
  z.object({ type: z.literal('host'), camera: count }),
  z.object({ type: z.literal('full'), camera: count }),
  z.object({
    type: z.literal('fault'),
    camera: count,
    direction: z.enum(['to-host', 'to-camera']),
    packets: z.object({ toHost: count, toCamera: count }),
  }),
]);
/** One life of a camera: from switching it on to its end. */
interface Life {
  readonly throttle: number;
  readonly toHost: Map<number, Fault>;
  readonly toCamera: Map<number, Fault>;
}

/** The log's path when fault options name one; it may have commas in it. */
export function replayPath(faults: string): string | undefined {
  return faults.startsWith(REPLAY) ? faults.slice(REPLAY.length) : undefined;
}

/**
 * The faults that the camera of that id met in that life of the last run in the log, none if it had no such life then;
 * if the log has a single camera, that one's.
 * FILE_FAILED: it cannot be read; OPTION_INVALID: it is no log of faults, or not of this camera.
 */
export async function readFaultLog(
  path: string,
  camera: number,
  life: number,
  signal?: AbortSignal,
): Promise<FaultRecording> {
  const runs = new Map<number, Life[]>();
  let number = 0;
  try {
    for await (const text of createInterface({ input: createReadStream(path, { signal }) })) {
      number++;
      if (number > MAX_LINES) throw wrong(path, `it has more than ${MAX_LINES} lines`);
      take(text, runs, (why) => wrong(path, `line ${number} ${why}`));
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof BridgeError) throw cause;
    throw new BridgeError('FILE_FAILED', `The fault log ${path} cannot be read: ${readProblem(cause)}.`, {
      context: { path },
      cause,
    });
  }
  if (runs.size === 0) throw wrong(path, 'it is empty: there is no log of injected faults in it');
  const run = runs.size === 1 ? [...runs.values()][0] : runs.get(camera);
  if (run) return run[life - 1] ?? { throttle: run[0]!.throttle, toHost: new Map(), toCamera: new Map() };
  throw wrong(
    path,
    `it has the faults of cameras ${[...runs.keys()].join(' and ')}, and this one's number is ${camera}`,
  );
}

function take(text: string, runs: Map<number, Life[]>, wrongLine: (why: string) => BridgeError): void {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrongLine('is no JSON; take it out if it was cut off when the run ended');
  }
  const line = parse(lineSchema, value, wrongLine);
  const lives = runs.get(line.camera) ?? [];
  if (line.type === 'line') {
    // A life that is not the next one begins another run.
    const earlier = line.life === lives.length + 1 ? lives : [];
    if (line.life !== earlier.length + 1) throw wrongLine(`begins with life ${line.life} of its camera`);
    const begun = { throttle: line.throttle, toHost: new Map(), toCamera: new Map() };
    runs.set(line.camera, [...earlier, begun]);
    return;
  }
  const last = lives.at(-1);
  if (!last) throw wrongLine('comes before the line on which its camera begins');
  if (line.type !== 'fault') return;
  const key = line.direction === 'to-host' ? 'toHost' : 'toCamera';
  last[key].set(line.packets[key], parse(faultSchema, value, wrongLine));
}

function parse<T>(schema: z.ZodType<T>, value: unknown, wrongLine: (why: string) => BridgeError): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const where = issue.path.length === 0 ? 'does not fit' : `does not fit at ${issue.path.join('.')}`;
  throw wrongLine(`${where}: ${issue.message}`);
}

function wrong(path: string, why: string): BridgeError {
  return new BridgeError('OPTION_INVALID', `The fault log ${path} cannot be replayed: ${why}.`, {
    context: { path },
  });
}
