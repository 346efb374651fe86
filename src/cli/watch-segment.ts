/** Follows a segment for as long as it is asked to, over the life of any number of writers. */
import { pause } from '../async.js';
import { BridgeError } from '../errors.js';
import { openShm, type ShmFrame, type ShmReader, type ShmState } from '../shm/index.js';
import { reportLine } from './lines.js';
import type { Output } from './output.js';

const REPORT_MS = 1_000;
/** How often to look for a segment that is not there. */
const REOPEN_MS = 200;

class Figures {
  frames = 0;
  bytes = 0;
  /** Frames that were replaced before this reader had them. */
  missed = 0;
  readonly #since = performance.now();

  count(frame: ShmFrame): void {
    this.frames++;
    this.bytes += frame.data.length;
    this.missed += frame.missed;
  }

  /** Of a count, per second. */
  rate(count: number): number {
    return (count * 1_000) / Math.max(1, performance.now() - this.#since);
  }
}

/**
 * Reports what is in the segment `name`, whatever its layout, once a second until `signal` says stop. Whether there was
 * one.
 */
export async function watchSegment(name: string, output: Output, signal: AbortSignal): Promise<boolean> {
  let waiting = false;
  let seen = false;
  while (!signal.aborted) {
    const shm = tryOpen(name);
    if (shm) {
      waiting = false;
      seen = true;
      try {
        await follow(shm, output, signal);
      } finally {
        await shm.close();
      }
    } else if (!waiting) {
      waiting = true;
      output.log('info', `waiting for ${name}: no program writes it yet`);
    }
    await sleep(REOPEN_MS, signal);
  }
  return seen;
}

/** undefined: there is no such segment now. */
function tryOpen(name: string): ShmReader | undefined {
  try {
    return openShm(name);
  } catch (error) {
    if (error instanceof BridgeError && error.context['errno'] === 'ENOENT') return undefined;
    throw error;
  }
}

/** Until no writer owns the segment any more. */
async function follow(shm: ShmReader, output: Output, signal: AbortSignal): Promise<void> {
  const over = new AbortController();
  let figures = new Figures();
  // What is there already is shown, but its arrival is no rate.
  let last = shm.latest();
  let failure: unknown;
  const timer = setInterval(() => {
    try {
      const status = show(shm, last, figures, output);
      figures = new Figures();
      if (status === 'gone') over.abort();
    } catch (error) {
      failure = error;
      over.abort();
    }
  }, REPORT_MS);
  try {
    const stop = AbortSignal.any([signal, over.signal]);
    for await (const frame of shm.frames({ signal: stop, existing: false })) {
      figures.count(frame);
      last = frame;
    }
  } finally {
    clearInterval(timer);
  }
  if (failure !== undefined) throw failure;
}

/** One look at the segment: what it says is what the caller goes by, or the end could pass unsaid. */
function show(
  shm: ShmReader,
  frame: ShmFrame | undefined,
  figures: Figures,
  output: Output,
): ShmState['status'] {
  const { status, ownerPid, frameAgeMs } = shm.state();
  const report = {
    name: shm.name,
    layout: shm.layout,
    status,
    ownerPid: ownerPid ?? null,
    framesPerSecond: Math.round(figures.rate(figures.frames) * 10) / 10,
    bytesPerSecond: Math.round(figures.rate(figures.bytes)),
    missed: figures.missed,
    sequence: frame?.sequence ?? null,
    ageMs: frameAgeMs === undefined ? null : Math.round(frameAgeMs),
    width: frame?.width ?? 0,
    height: frame?.height ?? 0,
    format: frame?.format ?? null,
    shape: frame?.shape ? [...frame.shape] : null,
    bytes: frame?.data.length ?? 0,
    segmentBytes: shm.size,
  };
  if (output.json) {
    output.line(reportLine('segment', report));
    return status;
  }
  const age = report.ageMs === null ? 'no frame yet' : `age ${report.ageMs.toFixed(0)} ms`;
  const size = report.shape?.join(' x ') ?? `${report.width}x${report.height}`;
  output.live(
    `${report.name} ${report.layout} ${status} | ${report.framesPerSecond.toFixed(1)} frames/s | ${(report.bytesPerSecond / 1e6).toFixed(2)} MB/s | ${report.format ?? '-'} ${size} ${(report.bytes / 1024).toFixed(1)} KB | #${report.sequence ?? '-'} ${age} | missed ${report.missed} | writer ${report.ownerPid ?? 'unknown'}`,
  );
  return status;
}

/** Ends early when told to stop. */
async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, signal).catch(() => undefined);
}
