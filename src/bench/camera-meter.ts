/** Counts the frames of one bridge, and takes their times. */
import type { Bridge } from '../bridge/index.js';
import type { Frame } from '../frames/index.js';
import type { LinkStats } from '../link/index.js';
import type { Times } from '../times.js';

/** Times of all cameras of a run, in milliseconds. */
export interface RunTimes {
  /** From one frame of a camera to its next. */
  readonly interval: Times;
  /** From the camera's word that a frame is there to the frame in the hands of subscribers: requests, line, sinks. */
  readonly announcedToPublished: Times;
  /** From the frame's last byte to the hands of subscribers: what the sinks take. */
  readonly completeToPublished: Times;
  /** From the capture, where `capturedAtMs` knows it. */
  readonly captureToPublished: Times;
}

/** What the counters of a link rose by. */
export type LinkRise = Record<
  | 'requests'
  | 'retries'
  | 'resyncs'
  | 'timeouts'
  | 'fragmentsLost'
  | 'packetsSent'
  | 'packetsReceived'
  | 'bytesReceived',
  number
>;

/** The same for a camera. */
export interface CameraRise {
  readonly dropped: number;
  readonly repaired: number;
  readonly undecoded: number;
  readonly link: LinkRise;
}

export class CameraMeter {
  frames = 0;
  bytes = 0;
  readonly bridge: Bridge;
  readonly #times: RunTimes;
  readonly #capturedAtMs: ((frame: Frame) => number | undefined) | undefined;
  readonly #stop: (() => void)[] = [];
  #lastAt: number | undefined;
  /** Of frames that are not published yet: the next one's comes while the one before is on its way to subscribers. */
  #announced: number[] = [];
  #link: LinkStats;
  #dropped = 0;
  #repaired = 0;
  #undecoded = 0;

  constructor(
    bridge: Bridge,
    channelId: number,
    times: RunTimes,
    capturedAtMs?: (frame: Frame) => number | undefined,
  ) {
    this.bridge = bridge;
    this.#times = times;
    this.#capturedAtMs = capturedAtMs;
    this.#link = bridge.camera.stats();
    this.#stop.push(
      bridge.camera.onChannelEvent((event) => {
        if (event.channelId === channelId) this.#announced.push(performance.now());
      }),
    );
    const drops = bridge.events$.subscribe((event) => {
      if (event.type === 'dropped') this.#announced.splice(0, event.count);
    });
    this.#stop.push(() => drops.unsubscribe());
    // What ends the bridge is told by its `done`.
    const frames = bridge.frames$.subscribe({ next: (frame) => this.#take(frame), error: () => undefined });
    this.#stop.push(() => frames.unsubscribe());
  }

  /** Counts from here on. */
  begin(): void {
    const { link, dropped, repaired, undecoded } = this.bridge.stats();
    this.frames = 0;
    this.bytes = 0;
    this.#lastAt = undefined;
    this.#link = link;
    this.#dropped = dropped;
    this.#repaired = repaired;
    this.#undecoded = undecoded;
  }

  /** What happened since `begin`. */
  end(): CameraRise {
    const { link, dropped, repaired, undecoded } = this.bridge.stats();
    const rise = (name: keyof LinkRise): number => link[name] - this.#link[name];
    return {
      dropped: dropped - this.#dropped,
      repaired: repaired - this.#repaired,
      undecoded: undecoded - this.#undecoded,
      link: {
        requests: rise('requests'),
        retries: rise('retries'),
        resyncs: rise('resyncs'),
        timeouts: rise('timeouts'),
        fragmentsLost: rise('fragmentsLost'),
        packetsSent: rise('packetsSent'),
        packetsReceived: rise('packetsReceived'),
        bytesReceived: rise('bytesReceived'),
      },
    };
  }

  close(): void {
    for (const stop of this.#stop) stop();
  }

  #take(frame: Frame): void {
    const now = performance.now();
    this.frames++;
    this.bytes += frame.bytes;
    if (this.#lastAt !== undefined) this.#times.interval.add(now - this.#lastAt);
    this.#lastAt = now;
    // A frame that no event announced was found by asking.
    const announcedAt = this.#announced.shift();
    if (announcedAt !== undefined) this.#times.announcedToPublished.add(now - announcedAt);
    if (this.#announced.length > 1) this.#announced = this.#announced.slice(-1);
    const unixMs = performance.timeOrigin + now;
    this.#times.completeToPublished.add(unixMs - frame.timestampMs);
    const capturedAtMs = this.#capturedAtMs ? this.#capturedAtMs(frame) : frame.capturedAtMs;
    if (capturedAtMs !== undefined) this.#times.captureToPublished.add(unixMs - capturedAtMs);
  }
}
