/** What a script prints, for the error that says why it failed. */
import type { Camera } from '../camera/index.js';

/** Characters that are kept. */
const TAIL = 2_000;
/** What the camera prints between two scripts: the end of one, the banner, the prompt. */
const BETWEEN = /MPY: soft reboot|^>>> /m;
const BANNER = /^\s*OpenMV v/;

export class ScriptOutput {
  readonly #camera: Camera;
  #text = '';
  readonly #stop: () => void;

  /** Listens from now on. */
  constructor(camera: Camera) {
    this.#camera = camera;
    const subscription = camera.stdout$.subscribe((text) => {
      this.#text = (this.#text + text.replaceAll('\r', '')).slice(-TAIL);
    });
    this.#stop = () => subscription.unsubscribe();
  }

  /** What the last script printed, once it has all come; without the output of the one before it, or the prompt. */
  async complete(signal: AbortSignal): Promise<string> {
    await this.#camera.drained(signal);
    const pieces = this.#text.split(BETWEEN).filter((piece) => piece.trim() !== '' && !BANNER.test(piece));
    return pieces.at(-1)?.trim() ?? '';
  }

  close(): void {
    this.#stop();
  }
}
