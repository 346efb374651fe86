/** The JSON lines of all cameras, numbered, for `/events`; the last ones are kept for clients that come back. */
import type { Subscription } from 'rxjs';
import { eventLine, frameLine, resultLine, statsLine } from '../bridge/index.js';
import type { CameraList } from './cameras.js';
import type { WatchedCamera } from './watched-camera.js';

/** Lines that are kept; those of frames and figures are not, for the next ones take their place. */
const KEPT = 512;

export interface FeedLine {
  readonly id: number;
  readonly cameraId: string;
  readonly type: string;
  /** The JSON, made when it is first wanted. */
  readonly text: () => string;
}

export class EventFeed {
  readonly #listeners = new Set<(line: FeedLine) => void>();
  readonly #kept: FeedLine[] = [];
  readonly #followed = new Set<() => void>();
  readonly #end: () => void;
  #last = 0;

  constructor(cameras: CameraList) {
    this.#end = cameras.each((camera) => this.#follow(camera));
  }

  /** Lines behind that number which are kept. */
  since(id: number): readonly FeedLine[] {
    return this.#kept.filter((line) => line.id > id);
  }

  get last(): number {
    return this.#last;
  }

  listen(listener: (line: FeedLine) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  close(): void {
    this.#end();
    this.#listeners.clear();
    for (const end of this.#followed) end();
  }

  #follow(camera: WatchedCamera): void {
    const { bridge } = camera;
    const subscriptions: Subscription[] = [
      bridge.events$.subscribe((event) => this.#add(camera.id, event.type, () => eventLine(event), true)),
      bridge.results$.subscribe((result) => this.#add(camera.id, 'result', () => resultLine(result), true)),
      bridge.frames$.subscribe({
        next: (frame) => this.#add(camera.id, 'frame', () => frameLine(frame), false),
        error: () => undefined,
      }),
      bridge.stats$.subscribe((stats) => this.#add(camera.id, 'stats', () => statsLine(stats), false)),
    ];
    const end = (): void => {
      for (const subscription of subscriptions) subscription.unsubscribe();
      this.#followed.delete(end);
    };
    this.#followed.add(end);
    bridge.done.then(end, end);
  }

  #add(cameraId: string, type: string, make: () => object, keep: boolean): void {
    const id = ++this.#last;
    if (!keep && this.#listeners.size === 0) return;
    let made: string | undefined;
    const timely = keep ? make() : undefined;
    const line: FeedLine = {
      ...{ id, cameraId, type },
      text: () => {
        made ??= JSON.stringify(timely ?? make());
        return made;
      },
    };
    if (keep) this.#kept.push(line);
    if (this.#kept.length > KEPT) this.#kept.shift();
    for (const listener of this.#listeners) listener(line);
  }
}
