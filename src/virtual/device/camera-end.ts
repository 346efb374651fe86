/** The Worker's end of the shared line: what the camera's USB peripheral is to the firmware. */
import { distance, type LineMemory, ringRead, ringWrite, Word } from '../line/line-memory.js';

/** How long the firmware waits for room in its USB buffer before it gives a packet up (tinyusb channel). */
const WRITE_TIMEOUT_MS = 1500;

export class CameraEnd {
  readonly #control: Int32Array;
  readonly #toCamera: Uint8Array;
  readonly #toHost: Uint8Array;
  readonly #wake: () => void;
  readonly #scratch = new Uint8Array(16 * 1024);
  #signal: number;
  #wroteSinceFlush = false;

  /** `wake` makes the main thread look at the line. */
  constructor(memory: LineMemory, wake: () => void) {
    this.#control = new Int32Array(memory.control);
    this.#toCamera = new Uint8Array(memory.toCamera);
    this.#toHost = new Uint8Array(memory.toHost);
    this.#wake = wake;
    // Behind the true value: the first look finds what came before this Worker was there.
    this.#signal = Atomics.load(this.#control, Word.SIGNAL) - 1;
  }

  /** Whether a host was there at the last `acceptHost`. */
  get hostPresent(): boolean {
    return (Atomics.load(this.#control, Word.HOST_SEEN) & 1) === 1;
  }

  /** Whether the main thread has done anything since the last `acknowledgeSignal`. */
  get signalled(): boolean {
    return Atomics.load(this.#control, Word.SIGNAL) !== this.#signal;
  }

  /** To be called before looking at what was signalled: what comes later signals again. */
  acknowledgeSignal(): void {
    this.#signal = Atomics.load(this.#control, Word.SIGNAL);
  }

  /** Sleeps until the main thread signals, at most `timeoutMs`. Returns whether it did. */
  wait(timeoutMs: number): boolean {
    return (
      this.signalled || Atomics.wait(this.#control, Word.SIGNAL, this.#signal, timeoutMs) !== 'timed-out'
    );
  }

  /**
   * Takes note of a host that came or went. Returns whether one did; then bytes of the earlier host that were not
   * read yet are gone, and so are bytes for it.
   */
  acceptHost(): boolean {
    const host = Atomics.load(this.#control, Word.HOST);
    if (host === Atomics.load(this.#control, Word.HOST_SEEN)) return false;
    const mark = Atomics.load(this.#control, Word.TO_CAMERA_MARK);
    const read = Atomics.load(this.#control, Word.TO_CAMERA_READ);
    if (((mark - read) | 0) > 0) Atomics.store(this.#control, Word.TO_CAMERA_READ, mark);
    Atomics.store(this.#control, Word.TO_HOST_MARK, Atomics.load(this.#control, Word.TO_HOST_WRITTEN));
    Atomics.store(this.#control, Word.HOST_SEEN, host);
    return true;
  }

  /** The next bytes from the host, valid until the next call; undefined when there are none. */
  read(): Uint8Array | undefined {
    const from = Atomics.load(this.#control, Word.TO_CAMERA_READ);
    const to = Atomics.load(this.#control, Word.TO_CAMERA_WRITTEN);
    if (from === to) return undefined;
    const count = ringRead(this.#toCamera, this.#scratch, from, to);
    Atomics.store(this.#control, Word.TO_CAMERA_READ, from + count);
    return this.#scratch.subarray(0, count);
  }

  /** Sends bytes; waits while the ring is full. false: the host went away or took nothing for too long. */
  write(bytes: Uint8Array): boolean {
    const control = this.#control;
    let rest = bytes;
    for (;;) {
      const written = Atomics.load(control, Word.TO_HOST_WRITTEN);
      const read = Atomics.load(control, Word.TO_HOST_READ);
      const count = ringWrite(this.#toHost, rest, written, read);
      if (count > 0) {
        Atomics.store(control, Word.TO_HOST_WRITTEN, written + count);
        this.#wroteSinceFlush = true;
        rest = rest.subarray(count);
      }
      if (rest.length === 0) return true;
      this.flush();
      const full = distance(read, written + count) === this.#toHost.length;
      if (full && Atomics.wait(control, Word.TO_HOST_READ, read, WRITE_TIMEOUT_MS) === 'timed-out')
        return false;
      if (Atomics.load(control, Word.HOST) !== Atomics.load(control, Word.HOST_SEEN)) return false;
    }
  }

  /** Tells the main thread that there is something to read, unless it has been told already. */
  flush(): void {
    if (!this.#wroteSinceFlush) return;
    this.#wroteSinceFlush = false;
    if (Atomics.exchange(this.#control, Word.WAKING, 1) === 0) this.#wake();
  }
}
