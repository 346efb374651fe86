/** A bridge elsewhere with the face of one here: what the page and its commands use of it. */
import { Subject } from 'rxjs';
import { deferred } from '../../async.js';
import type {
  Bridge,
  BridgeEvent,
  BridgeStats,
  FrameOutcome,
  FrameResult,
  State,
} from '../../bridge/index.js';
import type { Forward, Reply } from '../../control/index.js';
import { BridgeError } from '../../errors.js';
import { Frame } from '../../frames/index.js';
import type { RemoteFrame } from './frame-message.js';
import { eventOf, resultOf, statsOf } from './remote-lines.js';

/** Frames that wait for their results. */
const KEPT_FRAMES = 64;
const STATES: readonly State[] = [
  'idle',
  'opening',
  'preparing',
  'streaming',
  'paused',
  'reconnecting',
  'closed',
];

export interface RemoteAbout {
  readonly site: string;
  readonly cameraId: string;
  readonly runId: string;
  /** The reply of `get_info`; undefined: it did not come. */
  readonly info: Reply | undefined;
  readonly hasAlgorithm: boolean;
  /** Carries out a command there. */
  readonly forward: Forward;
}

const UNKNOWN = {
  version: { protocol: [0, 0, 0], firmware: [0, 0, 0] },
  link: { maxPayload: 0, ack: false },
};

export class RemoteBridge {
  readonly frames$ = new Subject<Frame>();
  readonly results$ = new Subject<FrameResult>();
  readonly outcomes$ = new Subject<FrameOutcome>();
  readonly events$ = new Subject<BridgeEvent>();
  readonly stats$ = new Subject<BridgeStats>();
  readonly cameraId: string;
  readonly runId: string;
  readonly options: { readonly port: string; readonly channel: string; readonly runner: string | undefined };
  readonly algorithmPids: readonly number[] = [];
  readonly algorithmFailure = undefined;
  readonly pipeline = { text: null, running: false, error: undefined };
  readonly segment = null;
  readonly done: Promise<void>;
  readonly camera: object;
  state: State = 'streaming';
  readonly #end = deferred();
  readonly #frames = new Map<number, Frame>();
  readonly #info: () => typeof UNKNOWN;
  #connected = true;
  /** Nothing is heard of it. */
  #lost = false;
  #algorithm: string | undefined;

  constructor({ site, cameraId, runId, info, hasAlgorithm, forward }: RemoteAbout) {
    this.cameraId = cameraId;
    this.runId = runId;
    const port = `nats:${site}/${cameraId}`;
    this.options = { port, channel: 'frame', runner: hasAlgorithm ? 'nats:' : undefined };
    this.done = this.#end.promise;
    this.#info = () => ({ ...UNKNOWN, ...info, port });
    const connected = (): boolean => this.#connected;
    this.camera = {
      get connected() {
        return connected();
      },
      info: this.#info,
      running: async () => (await forward('script_running', {}))['running'] === true,
      controls: {
        get: async () => (await forward('get_settings', {}))['settings'],
        set: async (settings: Readonly<Record<string, unknown>>) => {
          for (const [command, params] of settingCommands(settings)) await forward(command, params);
        },
      },
    };
  }

  /** As those who take bridges want it. */
  get bridge(): Bridge {
    return this as unknown as Bridge;
  }

  get streaming(): boolean {
    return this.state !== 'paused' && this.state !== 'closed';
  }

  frame(fields: RemoteFrame): void {
    const frame = new Frame(fields);
    this.#frames.set(frame.sequence, frame);
    if (this.#frames.size > KEPT_FRAMES) this.#frames.delete(this.#frames.keys().next().value!);
    this.frames$.next(frame);
  }

  result(value: unknown): void {
    const sequence = Number((value as { sequence?: unknown } | null)?.sequence);
    const frame = this.#frames.get(sequence);
    const result = resultOf(value, this.runId, frame);
    if (!result) return;
    this.results$.next(result);
    if (frame) this.outcomes$.next({ frame, outcome: result.outcome, result } as FrameOutcome);
  }

  event(value: unknown): void {
    const event = eventOf(value, this.runId);
    if (!event) return;
    if (event.type === 'connected') this.#connected = true;
    if (event.type === 'disconnected') this.#connected = false;
    if (event.type === 'runner') this.#algorithm = event.state;
    this.events$.next(event);
    if (event.type !== 'skipped') return;
    const frame = this.#frames.get(event.sequence);
    if (frame) this.outcomes$.next({ frame, outcome: 'skipped', reason: event.reason });
  }

  stats(value: unknown): void {
    const stats = statsOf(value);
    if (!stats) return;
    const state = stats.algorithm?.state;
    // What was told before it was listened to.
    if (state !== undefined && state !== this.#algorithm) {
      this.event({ type: 'runner', timestampMs: Date.now(), cameraId: this.cameraId, state });
    }
    this.stats$.next(stats);
  }

  /** What its status says of the connection to the camera. */
  status(state: string): void {
    const known = STATES.find((one) => one === state);
    if (known === undefined) return;
    this.state = known;
    this.#connected = !['reconnecting', 'closed', 'opening', 'idle'].includes(state);
    if (!this.#lost) return;
    this.#lost = false;
    const { version, link } = this.#info();
    this.event({
      ...{ type: 'connected', timestampMs: Date.now(), cameraId: this.cameraId, port: this.options.port },
      protocolVersion: version.protocol.join('.'),
      firmwareVersion: version.firmware.join('.'),
      ...{ maxPayload: link.maxPayload, ack: link.ack },
    });
  }

  /** Nothing is heard of it: why. */
  lost(code: string, message: string, state: 'reconnecting' | 'closed'): void {
    if (this.state === state) return;
    this.state = state;
    this.#lost = true;
    const { cameraId } = this;
    this.event({ type: 'disconnected', timestampMs: Date.now(), cameraId, code, message });
  }

  /** It is another run now, or is not shown any more. */
  end(): void {
    this.state = 'closed';
    for (const subject of [this.frames$, this.results$, this.outcomes$, this.events$, this.stats$]) {
      (subject as Subject<unknown>).complete();
    }
    this.#end.resolve();
  }
}

type Commands = [command: string, params: object][];

const LEVELS = ['brightness', 'contrast', 'saturation', 'sharpness'];

/** The commands that make settings. UNSUPPORTED: there is none for one of them. */
export function settingCommands(settings: Readonly<Record<string, unknown>>): Commands {
  return Object.entries(settings).map(([name, value]) => {
    if (LEVELS.includes(name)) return [`set_${name}`, { level: value }];
    const auto = value === 'auto';
    const { temperature } = (value ?? {}) as { temperature?: unknown };
    if (name === 'exposure')
      return ['set_exposure', auto ? { mode: 'auto' } : { mode: 'manual', exposure_us: value }];
    if (name === 'gain') return ['set_gain', auto ? { mode: 'auto' } : { value }];
    if (name === 'gamma') return ['set_gamma', { value: Number(value) * 100 }];
    if (name === 'quality') return ['set_quality', { value }];
    if (name === 'effect') return ['set_effect', { effect: value }];
    if (name === 'mirror' || name === 'flip') return ['set_orientation', { [name]: value }];
    if (name === 'whiteBalance' && auto) return ['set_whitebalance', { mode: 'auto' }];
    if (name === 'whiteBalance' && temperature !== undefined) {
      return ['set_whitebalance', { mode: 'manual', temperature }];
    }
    const message = `The setting ${name} of a camera on another machine cannot be changed from here: change it where its bridge runs.`;
    throw new BridgeError('UNSUPPORTED', message, { context: { errors: { [name]: message } } });
  });
}
