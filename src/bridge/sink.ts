/** The interface of what frames go to, and its kinds. */
import type { BridgeError } from '../errors.js';
import type { Frame } from '../frames/index.js';

/** In the order in which a frame is written to them: the fast ones first. */
export const SINK_KINDS = [
  'segment',
  'ring',
  'arrays',
  'pipeline',
  'files',
  'nats',
  'recording',
  'algorithm',
  'annotated',
] as const;
export type SinkKind = (typeof SINK_KINDS)[number];

export interface Sink {
  /** The name in shared memory by which other programs find a frame that it has taken. */
  readonly sharedName?: string;
  /** A frame is announced to subscribers only when this sink has it, or has lost it. */
  readonly first?: boolean;
  /** A frame that it loses ends the bridge. */
  readonly required?: boolean;
  /** false: it takes no frames now, and none counts. */
  readonly active?: boolean;
  /** Frames that it let go because a newer one came first. */
  readonly skipped?: number;
  /** What it took before did not work, and nothing has since: what it takes now counts as lost. */
  readonly failing?: boolean;
  /**
   * Takes a frame. While a returned promise is pending it has no room for another one, and the camera keeps the next
   * frame latched. An error means that this frame is lost to it; the next one is written all the same. false: it lets
   * this frame pass, also as what a promise resolves to.
   */
  write(frame: Frame): void | false | Promise<void> | Promise<boolean>;
  /** Why other programs do not find it any more under its names; undefined: they do. Asked a few times a second. */
  lost?(): BridgeError | undefined;
  /** Takes the sink away; aborting `signal` takes it the time that it may need for that. Idempotent. */
  close(signal?: AbortSignal): void | Promise<void>;
}

/** Counters of one sink since the bridge was opened. */
export interface SinkStats {
  written: number;
  /** Frames that it did not take because of an error. */
  lost: number;
  /** Frames that a newer one replaced before the sink got to them. */
  skipped: number;
}

export interface SinkHandlers {
  /** A sink has begun to fail, or its name was taken away. Once for each code, until it works again. */
  failed(kind: SinkKind, error: BridgeError): void;
  /** It works again; `lost` frames are missing. */
  recovered(kind: SinkKind, lost: number): void;
  /** A required sink has failed. */
  ended(error: BridgeError): void;
}

/**
 * How a sink is opened. `again`: it was open before, or could not be opened before. `failed` is for what fails after
 * `write` has returned.
 */
export type OpenSink = (failed: (error: BridgeError) => void, again: boolean) => Sink | Promise<Sink>;

export interface SinkCare {
  /** The bridge had it before: its name is waited for. */
  readonly again?: boolean;
  /** Told of each frame that comes while the sink cannot be opened. */
  readonly missed?: (frame: Frame) => void;
}

/** A sink that a room above the bridge brings. */
export type AttachedSink = (handlers: {
  /** Tells once for each code that it has begun to fail, until a frame is written again. */
  failed(error: BridgeError): void;
  /** For a frame that `write` let pass: counts it as written, or as lost, when that is known. */
  follow(pending: Promise<void>): void;
}) => Sink;
