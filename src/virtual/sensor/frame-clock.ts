/** When the virtual sensor has its next frame: a free-running clock, as a sensor's readout is one. */

/** Share of a frame's time between the end of one frame's readout and the beginning of the next. */
const BLANKING = 0.1;
/** From so many frame buffers on the latest frame is always there. */
const TRIPLE = 3;

export class FrameClock {
  #period = 0;
  #epoch = 0;
  /** Number of the frame, counted from the epoch, that was taken last. */
  #last = -1;
  #flushed = false;

  /**
   * The moment the next frame is complete, in the clock of `now` (milliseconds), as the firmware has it (vendor:
   * lib/imlib/framebuffer.c). With one frame buffer the sensor stands while the script has the frame: the next is one that
   * begins after `now`. With two a frame that ends while the script has the other one is dropped: the next is one that ends
   * after `now`. With more the latest is there already, if one has ended since the last was taken. `rate` in frames per
   * second; Infinity: at once.
   */
  due(now: number, rate: number, framebuffers: number): number {
    const period = rate > 0 ? 1000 / rate : 0;
    if (period !== this.#period) {
      this.#period = period;
      this.#epoch = now;
      this.#last = -1;
    }
    if (period === 0) return now;
    return (
      this.#epoch + Math.max(this.#last + 1, this.#next((now - this.#epoch) / period, framebuffers)) * period
    );
  }

  /** The frame that was due is taken at `now`. Returns when it began. */
  take(now: number): number {
    this.#flushed = false;
    // A stream begins with a frame that is there at once.
    const first = this.#last < 0;
    if (this.#period === 0) return now;
    // Rounded: a frame taken a moment before or after its time is that frame.
    this.#last = Math.max(this.#last + 1, Math.floor((now - this.#epoch) / this.#period + 0.01));
    return first ? now : this.#epoch + (this.#last - 1 + BLANKING) * this.#period;
  }

  /** The frame buffers are emptied, and the frame under way is given up. */
  flush(): void {
    this.#flushed = true;
  }

  /** The stream begins again: the next frame is there at once. */
  restart(): void {
    this.#period = 0;
  }

  /** `passed`: frames' times since the epoch. The first frame of a stream is there at once. */
  #next(passed: number, framebuffers: number): number {
    if (this.#last < 0) return 0;
    if (framebuffers >= TRIPLE && !this.#flushed) return 0;
    return framebuffers === 1 || this.#flushed ? Math.ceil(passed - BLANKING) + 1 : Math.floor(passed) + 1;
  }
}
