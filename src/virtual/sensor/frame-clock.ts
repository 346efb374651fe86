/** When the virtual sensor has its next frame: a free-running clock, as a sensor's readout is one. */
export class FrameClock {
  #period = 0;
  #epoch = 0;
  /** Number of the frame, counted from the epoch, that was taken last. */
  #last = -1;

  /**
   * The moment the next frame is complete, in the clock of `now` (milliseconds). With one frame buffer only a
   * frame that ends after `now` counts; with more, one that ended since the last was taken is there already.
   * `rate` in frames per second; Infinity: at once.
   */
  due(now: number, rate: number, framebuffers: number): number {
    const period = rate > 0 ? 1000 / rate : 0;
    if (period !== this.#period) {
      this.#period = period;
      this.#epoch = now;
      this.#last = -1;
    }
    if (period === 0) return now;
    const running = Math.floor((now - this.#epoch) / period);
    const next = framebuffers > 1 || this.#last < 0 ? this.#last + 1 : Math.max(running, this.#last) + 1;
    return this.#epoch + next * period;
  }

  /** The frame that was due is taken at `now`. */
  take(now: number): void {
    if (this.#period > 0) {
      // Rounded: a frame taken a moment before or after its time is that frame.
      this.#last = Math.max(this.#last + 1, Math.floor((now - this.#epoch) / this.#period + 0.01));
    }
  }

  /** The stream begins again: the next frame is there at once. */
  restart(): void {
    this.#period = 0;
  }
}
