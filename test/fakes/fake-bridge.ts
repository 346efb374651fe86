/** A bridge as the HTTP server sees it, without a camera: the test says what happens, as fast as it wants. */
import { Subject } from 'rxjs';
import type {
  Bridge,
  BridgeEvent,
  BridgeStats,
  FrameOutcome,
  FrameResult,
  State,
} from '../../src/bridge/index.js';
import { Frame } from '../../src/frames/index.js';

export const RUN_ID = 'a-run-of-a-test';

export class FakeBridge {
  readonly frames$ = new Subject<Frame>();
  readonly results$ = new Subject<FrameResult>();
  readonly outcomes$ = new Subject<FrameOutcome>();
  readonly events$ = new Subject<BridgeEvent>();
  readonly stats$ = new Subject<BridgeStats>();
  readonly cameraId: string;
  readonly options: { port: string; channel: string; runner: string | undefined };
  readonly done: Promise<void>;
  readonly algorithmPids = [process.pid];
  algorithmFailure: Error | undefined;
  state: State = 'streaming';
  streaming = true;
  pipeline = { text: null, running: false, error: undefined, stats: { written: 0, dropped: 0 } };
  segment = null;
  camera = {
    connected: true,
    info: () => ({
      version: { protocol: [1, 0, 2], firmware: [5, 0, 0] },
      link: { maxPayload: 4_082, ack: false },
    }),
    running: () => Promise.resolve(true),
  };
  #sequence = 0;
  #end: () => void = () => undefined;

  constructor(cameraId = 'fake', runner?: string) {
    this.cameraId = cameraId;
    this.options = { port: `/dev/${cameraId}`, channel: 'frame', runner };
    this.done = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** What the server takes it for. */
  get bridge(): Bridge {
    return this as unknown as Bridge;
  }

  /** Whether somebody is told of frames, results or events. */
  get observed(): boolean {
    return [this.frames$, this.results$, this.outcomes$, this.events$].some(({ observed }) => observed);
  }

  frame(bytes = 10_000, timestampMs = Date.now()): Frame {
    const jpeg = new Uint8Array(bytes).fill(++this.#sequence % 256);
    const { cameraId } = this;
    const frame = new Frame({
      ...{ runId: RUN_ID, cameraId, sequence: this.#sequence, width: 320, height: 240, jpeg, timestampMs },
      captureNumber: undefined,
    });
    this.frames$.next(frame);
    return frame;
  }

  /** A frame and its outcome. */
  judge(outcome: 'ok' | 'ng' | 'failed' | 'skipped', more: object = {}, frame = this.frame()): Frame {
    if (outcome === 'skipped') {
      this.outcomes$.next({ frame, outcome, reason: 'newer_frame' });
      return frame;
    }
    const { runId, cameraId, sequence, timestampMs } = frame;
    const result = {
      ...{ runId, cameraId, sequence, timestampMs, outcome, requestId: 'r', imageId: 'i', worker: 1 },
      ...{
        status: 'OK',
        resultStatus: outcome.toUpperCase(),
        flags: [],
        defectRects: [],
        data: {},
        latencyMs: 3,
      },
      latency: { queueMs: 1, transferMs: 1, computeMs: 3 },
      ...more,
    } as unknown as FrameResult;
    this.results$.next(result);
    this.outcomes$.next({ frame, outcome, result });
    return frame;
  }

  event(event: object): void {
    this.events$.next({ runId: RUN_ID, cameraId: this.cameraId, ...event } as BridgeEvent);
  }

  stats(more: object = {}): void {
    const stats = {
      ...{ cameraId: this.cameraId, framesPerSecond: 30, bytesPerSecond: 300_000, frameBytes: 10_000 },
      ...{ width: 320, height: 240, delivered: this.#sequence, dropped: 0, droppedByReason: {}, repaired: 0 },
      ...{ damagedData: 0, latencyMs: { delivered: null, result: null } },
      ...{ undecoded: 0, sinks: {}, brokers: {}, algorithm: null, link: { resyncs: 0, roundTripMs: 1 } },
      ...more,
    };
    this.stats$.next(stats as unknown as BridgeStats);
  }

  countBroker(): void {}

  end(): void {
    for (const subject of [this.frames$, this.results$, this.outcomes$, this.events$, this.stats$])
      subject.complete();
    this.#end();
  }
}
