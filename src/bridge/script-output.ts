/** What a script prints, for the error that says why it failed. */
import { pause } from '../async.js';
import type { Camera } from '../camera/index.js';

/** Characters that are kept. */
const TAIL = 2_000;
/** The last words may still be on their way when the script has ended: the longest wait, and the silence that ends it. */
const LONGEST_MS = 1_000;
const QUIET_MS = 100;
/** What the camera prints between two scripts: the end of one, the banner, the prompt. */
const BETWEEN = /MPY: soft reboot|^>>> /m;
const BANNER = /^\s*OpenMV v/;

export class ScriptOutput {
  #text = '';
  readonly #stop: () => void;

  /** Listens from now on. */
  constructor(camera: Camera) {
    const subscription = camera.stdout$.subscribe((text) => {
      this.#text = (this.#text + text.replaceAll('\r', '')).slice(-TAIL);
    });
    this.#stop = () => subscription.unsubscribe();
  }

  /** What the last script printed, once it has all come; without the output of the one before it, or the prompt. */
  async complete(signal: AbortSignal): Promise<string> {
    const until = performance.now() + LONGEST_MS;
    let before: string;
    do {
      before = this.#text;
      await pause(QUIET_MS, signal);
    } while (performance.now() < until && (before !== this.#text || this.#last === ''));
    return this.#last;
  }

  close(): void {
    this.#stop();
  }

  get #last(): string {
    const pieces = this.#text.split(BETWEEN).filter((piece) => piece.trim() !== '' && !BANNER.test(piece));
    return pieces.at(-1)?.trim() ?? '';
  }
}
