/** The list of sinks: which options ask for one, and how it is opened. A new kind of sink is added here. */
import { resolve } from 'node:path';
import { asBridgeError, BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';
import type { BridgeOptions } from '../options/index.js';
import { FrameFiles, SavedFiles, saveAnnotated } from '../pictures/index.js';
import type { CallPool, PoolCallbacks } from '../runner/index.js';
import { channelNames, openDecodedArrays, openRingWriter } from '../shm/index.js';
import { Algorithm, type AlgorithmHandlers } from './algorithm.js';
import { unplacedResult } from './frame-result.js';
import { OutcomeCount } from './outcome-count.js';
import { Pipeline } from './pipeline.js';
import type { Reports } from './reports.js';
import { bareName, segmentSink, storeSink } from './segment-switch.js';
import type { OpenSink } from './sink.js';
import type { FrameSinks } from './sinks.js';

/** What stands for an algorithm on other machines, where its command would be. */
const REMOTE = 'nats:';

/** Adapters on other machines, for the calls of one camera. */
export type RemoteCalls = (options: BridgeOptions, cameraId: string, callbacks: PoolCallbacks) => CallPool;

/** Sinks that can do more than take frames. */
export interface Parts {
  readonly pipeline: Pipeline;
  readonly files: FrameFiles | undefined;
  readonly algorithm: Algorithm | undefined;
}

/**
 * Opens the sinks that the options ask for. Ends in SHM_IN_USE, OPTION_INVALID, FILE_FAILED, RUNNER_NOT_FOUND ...; what
 * was opened before is in `sinks` and is closed with them.
 */
export async function openSinks(
  options: BridgeOptions,
  cameraId: string,
  sinks: FrameSinks,
  reports: Reports,
  remote?: RemoteCalls,
): Promise<Parts> {
  const pool = remotePool(options, cameraId, remote);
  const { save, runner } = options;
  const { saveAnnotated: annotated } = options;
  // What another process may hold, or a person may have mistyped, comes before what takes long.
  const { pipelineDelivery: delivery, pipelineFinishTimeoutMs: finishMs } = options;
  const pipeline = new Pipeline(
    options.pipeline,
    { delivery, finishMs },
    {
      failed: (error) => reports.failed(error),
      warned: (text) => reports.warned(text),
      dropped: (count) => reports.dropped('pipeline', count),
    },
  );
  await sinks.add('pipeline', () => pipeline);
  await openMemory(options, sinks);
  checkSaving(options);
  const parts: { -readonly [Part in keyof Parts]: Parts[Part] } = {
    pipeline,
    files: undefined,
    algorithm: undefined,
  };
  if (save !== undefined) {
    const files = await FrameFiles.open(save, cameraId, savePolicy(options));
    parts.files = files;
    await sinks.add('files', () => files);
  }
  if (runner !== undefined) {
    const draw = annotated === undefined ? undefined : await drawInto(annotated, cameraId, options, sinks);
    const handlers: AlgorithmHandlers = {
      result: (frame, result) => {
        void sinks.follow('files', parts.files?.settled(frame, result.outcome));
        reports.result(frame, result);
      },
      skipped: (frame, reason) => reports.skipped(frame, reason),
      state: (state) => reports.state(state),
      log: (line, worker) => reports.log(line, worker),
      error: (error) => reports.failed(error),
      failing: (error) => reports.failed(error, 'algorithm'),
      recovered: (lost) => reports.recovered('algorithm', lost),
      draw,
    };
    const outcomes = new OutcomeCount();
    let unopened: unknown;
    const open: OpenSink = async (_failed, again) => {
      try {
        const algorithm = await Algorithm.open(runner, options, handlers, { pool, outcomes });
        // Without room for its image files it is opened again later; the bridge starts only the first one.
        if (again) await algorithm.start();
        parts.algorithm = algorithm;
        return algorithm;
      } catch (error) {
        unopened = error;
        throw error;
      }
    };
    const missed = (frame: Frame): void => {
      outcomes.begin();
      outcomes.settle('failed', () => handlers.result(frame, unplacedResult(frame, asBridgeError(unopened))));
    };
    await sinks.add('algorithm', open, { missed });
  }
  return parts;
}

/** Opens the places in shared memory that the options ask for. SHM_*, OPTION_INVALID. */
export async function openMemory(options: BridgeOptions, sinks: FrameSinks): Promise<void> {
  checkNames(options);
  const { shmMode: mode, ring, ringSlots: slots, ringSlotSize: slotSize, arrays } = options;
  if (options.shm) await sinks.add('segment', segmentSink(options));
  if (ring !== undefined) {
    await sinks.add('ring', () => storeSink(openRingWriter({ name: ring, slots, slotSize, mode })));
  }
  if (arrays !== undefined) {
    const { takeOver } = options;
    await sinks.add('arrays', (failed, again) =>
      storeSink(openDecodedArrays({ base: arrays, mode, takeOver, onlyFree: again }, failed)),
    );
  }
}

/** A sink for frames with their results drawn on them: it gets them from the algorithm. */
async function drawInto(
  folder: string,
  cameraId: string,
  options: BridgeOptions,
  sinks: FrameSinks,
): Promise<NonNullable<AlgorithmHandlers['draw']>> {
  const files = await SavedFiles.open(
    'Annotated frames cannot be saved',
    folder,
    cameraId,
    savePolicy(options),
  );
  await sinks.add('annotated', () => ({
    required: options.saveFull === 'stop',
    write: () => false,
    close: () => files.close(),
  }));
  return (frame, result) => sinks.follow('annotated', saveAnnotated(files, frame, result));
}

/** The pool of an algorithm on other machines; OPTION_INVALID: it cannot be called so. undefined: it runs here. */
function remotePool(
  options: BridgeOptions,
  cameraId: string,
  remote: RemoteCalls | undefined,
): ((callbacks: PoolCallbacks) => CallPool) | undefined {
  if (options.runner !== REMOTE) return undefined;
  const refuse = (text: string, ...names: string[]): never => {
    throw new BridgeError('OPTION_INVALID', text, { context: { options: names } });
  };
  if (!remote)
    return refuse(`The algorithm ${REMOTE} needs the NATS server that its workers are at.`, 'nats');
  if (options.workers !== 1) refuse('Give the number of adapters to the workers themselves.', 'workers');
  if (options.reference !== undefined) refuse('Give the reference image to the workers.', 'reference');
  return (callbacks) => remote(options, cameraId, callbacks);
}

const savePolicy = (options: BridgeOptions) => ({
  when: options.saveWhen,
  maxBytes: options.saveMaxBytes,
  maxAgeMs: options.saveMaxAgeMs,
  minFree: options.saveMinFree,
  full: options.saveFull,
});

/** Throws `OPTION_INVALID` when nothing would be saved, or two kinds of pictures would have the same names. */
function checkSaving({ save, saveAnnotated, saveWhen, runner }: BridgeOptions): void {
  if (saveWhen !== 'all' && !saveWhen.startsWith('every:') && runner === undefined) {
    throw new BridgeError(
      'OPTION_INVALID',
      `saveWhen ${saveWhen} needs an algorithm, whose outcomes decide.`,
      { context: { options: ['saveWhen', 'runner'] } },
    );
  }
  if (save !== undefined && saveAnnotated !== undefined && resolve(save) === resolve(saveAnnotated)) {
    const message = 'save and saveAnnotated name the same folder. Give annotated frames another one.';
    throw new BridgeError('OPTION_INVALID', message, {
      context: { path: save, options: ['save', 'saveAnnotated'] },
    });
  }
}

/** Throws `OPTION_INVALID` when two of the options make the same shared memory. */
function checkNames({ shm, shmName, ring, arrays }: BridgeOptions): void {
  const names = [
    ...(shm ? [{ option: 'shmName', name: bareName(shmName) }] : []),
    ...(ring === undefined ? [] : [{ option: 'ring', name: bareName(ring) }]),
    ...(arrays === undefined
      ? []
      : [{ option: 'arrays', name: bareName(channelNames(arrays, 'image').segment) }]),
  ];
  for (const [index, { option, name }] of names.entries()) {
    const other = names.slice(0, index).find((before) => before.name === name);
    if (other === undefined) continue;
    throw new BridgeError(
      'OPTION_INVALID',
      `${option} and ${other.option} both make the shared memory /${name}. Give ${option} another name.`,
      { context: { name: `/${name}`, options: [option, other.option] } },
    );
  }
}
