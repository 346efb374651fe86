/**
 * How the sensor's pictures look: as its settings were when the frame began. A frame that had begun, or lay in a frame
 * buffer, when a setting changed does not show the change.
 */
import { PixelFormat } from '../../protocol/index.js';
import type { PictureSpec } from '../pictures/picture-spec.js';
import type { SensorSettings } from './sensor-settings.js';

/** Changes that are remembered between two frames. */
const MAX_LOOKS = 100;

export class Looks {
  /** The oldest first; of each change, when it was made. */
  readonly #looks: { readonly since: number; readonly look: Look }[] = [];

  /** The settings changed at `now`. `flushed`: no frame of before is left. */
  changed(settings: SensorSettings, now: number, flushed: boolean): void {
    if (flushed) this.#looks.length = 0;
    this.#looks.push({ since: now, look: new Look(settings) });
    if (this.#looks.length > MAX_LOOKS) this.#looks.shift();
  }

  /** Of a frame that began at `begun`, no earlier than the frame before it. */
  at(begun: number): Look {
    while (this.#looks.length > 1 && this.#looks[1]!.since <= begun) this.#looks.shift();
    return this.#looks[0]!.look;
  }
}

export class Look {
  readonly #picture: Omit<PictureSpec, 'quality' | 'fullChroma'>;
  /** By quality and chroma: the same object as long as nothing changes. */
  readonly #specs = new Map<string, PictureSpec>();

  constructor(settings: SensorSettings) {
    const { width, height, window, mirror, flip, pixformat } = settings;
    const gray = pixformat === PixelFormat.GRAYSCALE;
    const tone = settings.tone();
    this.#picture = {
      ...{ width, height, window: { ...window }, mirror, flip, gray, ...settings.colours() },
      ...(tone && { tone }),
    };
  }

  /** `quality` undefined: pixels. */
  spec(quality: number | undefined, fullChroma: boolean): PictureSpec {
    const key = `${quality},${fullChroma}`;
    const known = this.#specs.get(key);
    if (known) return known;
    const spec = { ...this.#picture, quality, fullChroma };
    this.#specs.set(key, spec);
    return spec;
  }
}
