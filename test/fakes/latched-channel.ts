/** Frame channels as scripts make them: the bundled one's rules, and those of the vendor's example. */
import type { DeviceChannel } from '../../src/virtual/device/device-types.js';
import type { FakeCamera } from './fake-camera.js';

export interface LatchOptions {
  /** The vendor's example has no SHAPE, and SIZE and READ answer for a frame that was read already. */
  readonly style: 'numbered' | 'vendor';
  readonly events?: boolean;
  /** Makes the capture of that number, counted from 1. */
  readonly capture: (number: number) => Uint8Array;
  /** Captures in all; then nothing more is latched. */
  readonly captures: number;
}

/** Captures a frame, latches it, and captures the next once the last byte has been read. */
export class LatchedChannel {
  /** Every capture that was latched. */
  readonly captured: Uint8Array[] = [];
  readonly #fake: FakeCamera;
  readonly #options: LatchOptions;
  readonly #id: number;
  #frame: Uint8Array = new Uint8Array(0);
  #latched = false;

  constructor(fake: FakeCamera, options: LatchOptions) {
    this.#fake = fake;
    this.#options = options;
    const numbered = options.style === 'numbered';
    const channel: DeviceChannel = {
      name: 'frame',
      flags: 1,
      poll: () => this.#latched,
      size: () => (this.#latched || !numbered ? this.#frame.length : 0),
      readp: (offset, length) => {
        const end = offset + length;
        if (numbered && (!this.#latched || end > this.#frame.length)) return undefined;
        if (end === this.#frame.length && this.#latched) this.#release();
        return this.#frame.subarray(offset, end);
      },
      ...(numbered
        ? { shape: () => [this.#latched ? this.#frame.length : 0, 32, 24, this.captured.length] }
        : {}),
    };
    this.#id = fake.device.register(channel);
    this.#capture();
  }

  /** Read out: the script's main loop captures the next one a little later. */
  #release(): void {
    this.#latched = false;
    this.#fake.clock.after(1, () => this.#capture());
  }

  #capture(): void {
    const number = this.captured.length + 1;
    if (number > this.#options.captures) return;
    this.#frame = this.#options.capture(number);
    this.captured.push(this.#frame);
    this.#latched = true;
    if (this.#options.events !== false)
      this.#fake.device.sendEvent(this.#id, 1, false, this.#fake.clock.now());
  }
}
