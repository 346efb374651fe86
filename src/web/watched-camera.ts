/** What the server keeps of one camera, for as long as its bridge runs. */
import type { Subscription } from 'rxjs';
import { within } from '../async.js';
import type { Bridge, BridgeStats, FrameOutcome } from '../bridge/index.js';
import type { ControlValues } from '../camera/index.js';
import { FrameRing } from './frame-ring.js';
import { Health } from './health.js';
import { History } from './history.js';
import { KeptFrames } from './kept-frames.js';
import { ownUsage, usageOf } from './process-usage.js';
import { Results } from './results.js';

export interface KeepOptions {
  /** NG frames of each camera that are kept. */
  readonly keepNg: number;
  /** Where; undefined: in memory. */
  readonly keepNgDir: string | undefined;
}

/** How long the camera may take to say whether its script runs, and how long that counts. */
const SCRIPT_MS = 1_000;
/** A verdict that is older than the latest frame by this is not what a new viewer is shown first. */
const JUDGED_MS = 1_000;

export class WatchedCamera {
  readonly bridge: Bridge;
  readonly frames = new FrameRing();
  readonly health: Health;
  readonly history: History;
  readonly results: Results;
  /** What the sensor said of settings that it refused, by their names. */
  readonly refused = new Map<string, string>();
  #stats: BridgeStats | undefined;
  #judged: FrameOutcome | undefined;
  #script: { readonly running: Promise<boolean | null>; readonly until: number } | undefined;
  #settings: Promise<ControlValues> | undefined;
  readonly #subscriptions: Subscription[];

  constructor(bridge: Bridge, { keepNg, keepNgDir }: KeepOptions) {
    this.bridge = bridge;
    const kept = new KeptFrames(bridge.cameraId, keepNg, keepNgDir);
    this.health = new Health(bridge, () => kept.failure);
    this.history = new History(
      ownUsage(),
      usageOf(() => bridge.algorithmPids),
    );
    this.results = new Results(kept);
    this.#subscriptions = [
      bridge.events$.subscribe((event) => this.health.event(event)),
      bridge.frames$.subscribe({
        next: (frame) => {
          this.frames.add(frame);
          this.health.frame();
          this.history.frame(frame);
        },
        // What ends a bridge is an event as well.
        error: () => undefined,
      }),
      bridge.stats$.subscribe((stats) => {
        this.#stats = stats;
        this.history.stats(stats);
        this.health.look();
      }),
      bridge.outcomes$.subscribe((outcome) => {
        this.results.add(outcome);
        this.health.outcome(outcome);
        if (outcome.outcome !== 'skipped') this.#judged = outcome;
        this.history.outcome(outcome);
      }),
    ];
  }

  get id(): string {
    return this.bridge.cameraId;
  }

  /** The figures of the last second; undefined in the first one. */
  get stats(): BridgeStats | undefined {
    return this.#stats;
  }

  /** The latest frame with a verdict (or a failed call), unless frames have gone on for a second without one. */
  get judged(): FrameOutcome | undefined {
    const { latest } = this.frames;
    const fresh = this.#judged && latest && latest.timestampMs - this.#judged.frame.timestampMs < JUDGED_MS;
    return fresh ? this.#judged : undefined;
  }

  /** Whether a script runs on the camera; null: it does not say. Asked of the camera at most once a second, for all clients. */
  scriptRuns(): Promise<boolean | null> {
    if (!this.bridge.camera.connected) return Promise.resolve(null);
    if (this.#script && performance.now() < this.#script.until) return this.#script.running;
    const late = (): Error => new Error('no answer');
    const running = within(this.bridge.camera.running(), SCRIPT_MS, late).catch(() => null);
    this.#script = { running, until: performance.now() + SCRIPT_MS };
    return running;
  }

  /** The sensor's settings. Clients that ask at the same time get the same answer. CHANNEL_MISSING, CAMERA_*, PORT_CLOSED. */
  settings(): Promise<ControlValues> {
    this.#settings ??= this.bridge.camera.controls.get().finally(() => {
      this.#settings = undefined;
    });
    return this.#settings;
  }

  close(): void {
    for (const subscription of this.#subscriptions) subscription.unsubscribe();
  }
}
