/** Records bridges: the sink of their frames, and the subscriber of all else that they tell. */
import { type Observable, Subscription } from 'rxjs';
import type { Bridge } from '../bridge/index.js';
import { asBridgeError, type BridgeError } from '../errors.js';
import { eventMessages, frameLineMessage, type Message, outcomeMessages, statsMessage } from './messages.js';
import { Recording } from './recording.js';
import { RecordingSink } from './recording-sink.js';
import { recordingTarget, type SegmentLimits } from './target.js';
import { WireTap } from './wire-tap.js';

export interface RecorderOptions {
  /** A file, or a folder of segments: see `recordingTarget`. */
  readonly path: string;
  readonly limits?: SegmentLimits;
  /** Milliseconds before and behind each NG: of all else only events, figures and log are recorded. undefined: everything. */
  readonly aroundNgMs?: number | undefined;
  /** The bytes between host and camera as well. */
  readonly wire?: boolean;
  readonly runId: string;
}

/** The last one of each bridge. */
const recorders = new WeakMap<Bridge, Recorder>();

/** What records a bridge now; undefined: nothing. */
export function recorderOf(bridge: Bridge): Recorder | undefined {
  const recorder = recorders.get(bridge);
  return recorder?.closed || recorder?.failure ? undefined : recorder;
}

export class Recorder {
  /** Where an earlier recording of that name was moved to; undefined: there was none. */
  readonly earlier: string | undefined;
  readonly #recording: Recording;
  readonly #options: RecorderOptions;
  /** How each bridge is told that the recording has ended. */
  readonly #failed = new Set<(error: BridgeError) => void>();
  readonly #subscriptions = new Subscription();
  #bridges: Bridge[] = [];
  /** It ends with its bridge. */
  #own = false;
  #failure: BridgeError | undefined;
  #closing: Promise<BridgeError | undefined> | undefined;

  private constructor(options: RecorderOptions, recording: Recording, earlier: string | undefined) {
    this.#recording = recording;
    this.#options = options;
    this.earlier = earlier;
    void recording.failed.then((error) => error && this.#fail(error));
  }

  /** FILE_FAILED. */
  static async open(options: RecorderOptions): Promise<Recorder> {
    const { path, limits = { splitBytes: Number.POSITIVE_INFINITY }, runId } = options;
    const target = await recordingTarget(path, new Map([['runId', runId]]), limits);
    return new Recorder(options, await Recording.open(target), target.earlier);
  }

  /** Records one bridge that runs, from now until it is closed or `close` is called. FILE_FAILED. */
  static async start(bridge: Bridge, path: string): Promise<Recorder> {
    const recorder = await Recorder.open({ path, runId: bridge.runId });
    recorder.#own = true;
    recorder.add(bridge);
    return recorder;
  }

  /** The file that is written now. */
  get path(): string {
    return this.#recording.path;
  }

  /** Bytes of that file so far. */
  get size(): number {
    return this.#recording.size;
  }

  /** The cameras that it records. */
  get cameraIds(): readonly string[] {
    return this.#open.map(({ cameraId }) => cameraId);
  }

  get #open(): Bridge[] {
    return this.#bridges.filter(({ state }) => state !== 'closed');
  }

  /** Why the recording has ended before its time; undefined: it has not. */
  get failure(): BridgeError | undefined {
    return this.#failure;
  }

  /** For a bridge that is about to be opened: sees its line from the first byte on. undefined: that is not recorded. */
  tap(): WireTap | undefined {
    return this.#options.wire ? new WireTap() : undefined;
  }

  /** Records a bridge that is open from now on, until it is closed. `tap`: the one that it was opened with. */
  add(bridge: Bridge, tap?: WireTap): void {
    const push = (messages: readonly Message[]): boolean => this.#recording.push(...messages);
    const earlier = recorders.get(bridge);
    recorders.set(bridge, this);
    // Cameras come and go in a run of years.
    this.#bridges = [...this.#open, bridge];
    const subscribe = <T>(stream: Observable<T>, next: (value: T) => void): void => {
      // What a bridge ends in is told elsewhere.
      this.#subscriptions.add(stream.subscribe({ next, error: () => undefined }));
    };
    const { aroundNgMs } = this.#options;
    const sink = new RecordingSink(this.#recording, aroundNgMs);
    tap?.named(bridge.cameraId, (message) => sink.take(message));
    subscribe(bridge.frames$, (frame) => sink.take(frameLineMessage(frame)));
    subscribe(bridge.events$, (event) => push(eventMessages(event)));
    subscribe(bridge.stats$, (stats) => push([statsMessage(stats)]));
    subscribe(bridge.outcomes$, (outcome) => {
      const messages = outcomeMessages(outcome);
      for (const message of messages) sink.take(message);
      if (outcome.outcome === 'ng') sink.moment(messages[0]!.logTime);
    });
    const attach = (): Promise<void> =>
      bridge.attach('recording', (told) => {
        this.#failed.add(told.failed);
        if (this.#failure) told.failed(this.#failure);
        return sink.opened(told, async () => {
          this.#failed.delete(told.failed);
          if (this.#own) await this.close();
        });
      });
    // One that failed before has its place still. A bridge that is closed meanwhile has no frames to record.
    const free = earlier?.failure ? bridge.detach('recording') : Promise.resolve();
    free.then(attach).catch(() => undefined);
  }

  /** `close` was called. */
  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** It is closed, and the disk has not answered yet. */
  get stuck(): boolean {
    return this.closed && !this.#recording.ended;
  }

  /** Writes what waits, and ends the file. Resolves to why that did not work; never rejects. Idempotent. */
  close(): Promise<BridgeError | undefined> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<BridgeError | undefined> {
    this.#subscriptions.unsubscribe();
    try {
      await this.#recording.close();
    } catch (cause) {
      const error = asBridgeError(cause);
      this.#fail(error);
      return error;
    }
    // In their own time: one of them may be what waits for this.
    for (const bridge of this.#bridges) void bridge.detach('recording');
    return undefined;
  }

  #fail(error: BridgeError): void {
    this.#failure ??= error;
    for (const failed of this.#failed) failed(error);
  }
}
