/** Follows a segment for as long as it is asked to, over the life of any number of writers. */
import { BridgeError } from '../errors.js';
import type { ViznReader } from '../shm/index.js';
import type { Output } from './output.js';

/** How often to look for a frame: well below the time between two frames of a fast camera. */
const LOOK_MS = 4;
const REPORT_MS = 1_000;
/** How often to look for a segment that is not there. */
const REOPEN_MS = 200;

interface Figures {
  frames: number;
  bytes: number;
  /** Frames that were replaced before this reader looked. */
  missed: number;
}

const none = (): Figures => ({ frames: 0, bytes: 0, missed: 0 });

export async function watchSegment(
  name: string,
  open: () => ViznReader,
  output: Output,
  signal: AbortSignal,
): Promise<void> {
  let waiting = false;
  while (!signal.aborted) {
    const reader = tryOpen(open);
    if (reader) {
      waiting = false;
      try {
        await follow(reader, output, signal);
      } finally {
        reader.close();
      }
    } else if (!waiting) {
      waiting = true;
      output.log('info', `waiting for ${name}: no program writes it yet`);
    }
    await sleep(REOPEN_MS, signal);
  }
}

/** undefined: there is no such segment now. */
function tryOpen(open: () => ViznReader): ViznReader | undefined {
  try {
    return open();
  } catch (error) {
    if (error instanceof BridgeError && error.context['errno'] === 'ENOENT') return undefined;
    throw error;
  }
}

/** Until the segment belongs to nobody any more. */
async function follow(reader: ViznReader, output: Output, signal: AbortSignal): Promise<void> {
  let sequence: number | undefined;
  let figures = none();
  let since = performance.now();
  while (!signal.aborted) {
    const frame = reader.latest(sequence);
    if (frame) {
      figures.missed += sequence === undefined ? 0 : Math.max(0, frame.sequence - sequence - 1);
      figures.frames++;
      figures.bytes += frame.data.length;
      sequence = frame.sequence;
    }
    const now = performance.now();
    if (now - since >= REPORT_MS) {
      const state = reader.state();
      show(reader, figures, (now - since) / 1_000, output);
      if (state.status === 'gone') return;
      figures = none();
      since = now;
    }
    await sleep(LOOK_MS, signal);
  }
}

function show(reader: ViznReader, figures: Figures, elapsed: number, output: Output): void {
  const { status, ownerPid, sequence, frameAgeMs } = reader.state();
  const frame = reader.latest();
  const report = {
    name: reader.name,
    status,
    ownerPid: ownerPid ?? null,
    framesPerSecond: figures.frames / elapsed,
    bytesPerSecond: figures.bytes / elapsed,
    missed: figures.missed,
    sequence: sequence ?? null,
    ageMs: frameAgeMs ?? null,
    width: frame?.width ?? 0,
    height: frame?.height ?? 0,
    format: frame?.format ?? null,
    bytes: frame?.data.length ?? 0,
  };
  if (output.json) {
    output.line({ type: 'segment', ...report });
    return;
  }
  const age = report.ageMs === null ? 'no frame yet' : `age ${report.ageMs.toFixed(0)} ms`;
  output.live(
    `${report.name} ${status} | ${report.framesPerSecond.toFixed(1)} frames/s | ${(report.bytesPerSecond / 1e6).toFixed(2)} MB/s | ${report.format ?? '-'} ${report.width}x${report.height} ${(report.bytes / 1024).toFixed(1)} KB | #${report.sequence ?? '-'} ${age} | missed ${report.missed} | writer ${report.ownerPid ?? 'unknown'}`,
  );
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
