/** What a bridge tells: the forms of its events, results and statistics. */
import type { BridgeError } from '../errors.js';
import type { DropReason, Frame } from '../frames/index.js';
import type { LinkStats } from '../link/index.js';
import type { CallResult, LogLine, RunnerState } from '../runner/index.js';
import type { SourceKind } from './script-appears.js';
import type { SinkKind, SinkStats } from './sink.js';

/**
 * Why the algorithm did not see a frame: a newer one took its place, the algorithm has failed for good, or the bridge was
 * closed first.
 */
export type SkipReason = 'newer_frame' | 'algorithm_failed' | 'closed';

/** What happens beside frames and results. `runId` is the bridge's. */
export type BridgeEvent = { readonly runId: string } & BridgeEventFields;

export type BridgeEventFields =
  | {
      readonly type: 'connected';
      readonly port: string;
      readonly cameraId: string;
      readonly protocolVersion: string;
      readonly firmwareVersion: string;
      readonly maxPayload: number;
      readonly ack: boolean;
    }
  /** Where frames come from changes, because of the script that runs: without the option `source` a script may do without a channel. */
  | { readonly type: 'source'; readonly cameraId: string; readonly source: SourceKind }
  /**
   * Captured frames that are not delivered, and why. `pipeline`: they are delivered, and the pipeline did not take them; at
   * most once a second.
   */
  | {
      readonly type: 'dropped';
      readonly cameraId: string;
      readonly reason: DropReason | 'pipeline';
      readonly count: number;
    }
  | {
      readonly type: 'disconnected';
      readonly cameraId: string;
      readonly code: string;
      readonly message: string;
    }
  /** What the camera's script prints. */
  | { readonly type: 'stdout'; readonly cameraId: string; readonly text: string }
  /** What GStreamer warns of, at a bounded rate, and that the pipeline takes long to finish a file. */
  | { readonly type: 'pipeline'; readonly cameraId: string; readonly text: string }
  /** The outcome of a frame that the algorithm did not see. */
  | {
      readonly type: 'skipped';
      readonly cameraId: string;
      readonly sequence: number;
      readonly reason: SkipReason;
    }
  /** A sink that had failed works again; `lost` frames are missing in it. */
  | { readonly type: 'recovered'; readonly cameraId: string; readonly sink: SinkKind; readonly lost: number }
  /** Something went wrong that does not end the bridge; `sink`: what has begun to fail, until `recovered` names it. */
  | {
      readonly type: 'error';
      readonly cameraId: string;
      readonly error: BridgeError;
      readonly sink?: SinkKind;
    }
  /** The algorithm's process: its state, and lines of its stderr. */
  | { readonly type: 'runner'; readonly cameraId: string; readonly state: RunnerState }
  | {
      readonly type: 'log';
      readonly cameraId: string;
      readonly line: LogLine;
      /** Which of the adapters, counted from 1. */
      readonly worker: number;
    };

/** The algorithm's answer to one frame. */
export type FrameResult = CallResult & {
  /** The frame's. */
  readonly runId: string;
  readonly cameraId: string;
  /** The frame's. */
  readonly sequence: number;
  /** The frame's: Unix milliseconds. */
  readonly timestampMs: number;
  /** The id of the frame's image file, which was there while the algorithm worked. */
  readonly imageId: string;
  /** Which of the adapters it came from, counted from 1; 0: none, because the image file could not be written. */
  readonly worker: number;
  /**
   * Milliseconds: waiting for a free worker (and for a session's first `pre` call), handing the picture over, and
   * from the call to its result. Together, from the frame's arrival to the result.
   */
  readonly latency: {
    readonly queueMs: number;
    readonly transferMs: number;
    readonly computeMs: number;
  };
};

/** What became of one delivered frame: exactly one for each, when an algorithm is attached. */
export type FrameOutcome =
  | { readonly frame: Frame; readonly outcome: 'ok' | 'ng' | 'failed'; readonly result: FrameResult }
  | { readonly frame: Frame; readonly outcome: 'skipped'; readonly reason: SkipReason };

/** Milliseconds: half of them are not above `p50`, and 99 of 100 not above `p99`. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** A second's figures; counters are since the bridge was opened. */
export interface BridgeStats {
  readonly cameraId: string;
  /** Over the last interval. */
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
  /** Of the last frame; 0 before the first. */
  readonly frameBytes: number;
  readonly width: number;
  readonly height: number;
  readonly delivered: number;
  /** Captured frames that were not delivered, in all and by reason. */
  readonly dropped: number;
  readonly droppedByReason: Readonly<Partial<Record<DropReason, number>>>;
  /** Ranges of frames that were damaged on the way and read again. */
  readonly repaired: number;
  /** Frames delivered without what the script attached to them, because it is no JSON of at most 1 KB. */
  readonly damagedData: number;
  /** Delivered frames that pixels in shared memory (`shmFormat`, `arrays`) lack: a newer one came before they were decoded. */
  readonly undecoded: number;
  /**
   * From the capture of a frame to its delivery, and to the algorithm's result. Of about the last minute; null: there were none
   * whose capture time is known.
   */
  readonly latencyMs: { readonly delivered: Latency | null; readonly result: Latency | null };
  /** By sink. Not among them: what the algorithm skipped or failed at, which its own figures have. */
  readonly sinks: Readonly<Partial<Record<SinkKind, SinkStats>>>;
  /** By broker. Not among them: frames, which are at the sink `nats`, and what only counts at its moment: figures, status, pictures. */
  readonly brokers: Readonly<Partial<Record<BrokerKind, BrokerStats>>>;
  readonly algorithm: AlgorithmStats | null;
  readonly link: LinkStats;
}

export type BrokerKind = 'nats' | 'mqtt';

/** What became of the results and events for a broker. */
export interface BrokerStats {
  readonly connected: boolean;
  /** Those that the broker has taken. */
  readonly sent: number;
  /** Those that wait for the broker. */
  readonly pending: number;
  /** Those that were left out: the broker was away or too slow, or refused them. */
  readonly lost: number;
  /** Connections after the first. */
  readonly reconnects: number;
}

export interface AlgorithmStats {
  /** Of the best of the workers. */
  readonly state: RunnerState;
  readonly workers: number;
  readonly ok: number;
  readonly ng: number;
  /** Calls without a verdict. */
  readonly failed: number;
  /** Frames it never saw because a newer one took their place. */
  readonly skipped: number;
  /** Frames without an outcome yet: ok + ng + failed + skipped + pending are the frames delivered to it. */
  readonly pending: number;
  /** From sending a call to its result, mean over the last interval, in milliseconds; null: no result in it. */
  readonly latencyMs: number | null;
  /** Adapters started, and those that ended or had to be ended without being asked to. */
  readonly starts: number;
  readonly crashes: number;
  /** Calls that took too long. */
  readonly timeouts: number;
  /** Calls made once more with the same frame, after a failure that may pass. */
  readonly retries: number;
  /** Lines of the algorithm's log that came too fast to be passed on. */
  readonly logLinesLeftOut: number;
  /** Answers that belong to no call under way; dropped. */
  readonly stray: { readonly late: number; readonly duplicate: number; readonly unknown: number };
}
