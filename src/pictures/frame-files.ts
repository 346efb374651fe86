/** Saves frames as files, all of them or those that a policy picks. A sink of the bridge. */
import type { Frame } from '../frames/index.js';
import { SavedFiles, type SavedOutcome, type SavePolicy } from './saved-files.js';

export class FrameFiles {
  /** A frame's file is complete before the frame is announced, unless its outcome decides. */
  readonly first: boolean;
  /** A frame that cannot be saved ends the bridge. */
  readonly required: boolean;
  readonly #files: SavedFiles;
  readonly #pending = new Set<Promise<unknown>>();

  private constructor(files: SavedFiles, required: boolean) {
    this.#files = files;
    this.required = required;
    this.first = !files.byOutcome;
  }

  /** `full`: whether a frame that cannot be saved ends the bridge, or is lost. FILE_FAILED. */
  static async open(
    directory: string,
    cameraId: string,
    policy: SavePolicy & { readonly full: 'stop' | 'skip' },
  ): Promise<FrameFiles> {
    const files = await SavedFiles.open('Frames cannot be saved', directory, cameraId, policy);
    return new FrameFiles(files, policy.full === 'stop');
  }

  /** The folder that an earlier run's frames were moved to; undefined: there were none. */
  get earlier(): string | undefined {
    return this.#files.earlier;
  }

  /**
   * Saves the frame, unless the policy lets it pass (false) or waits for its outcome (false): then frames behind it wait at
   * the camera for what is being saved. FILE_FAILED.
   */
  write(frame: Frame): Promise<void> | Promise<boolean> | false {
    if (!this.#files.byOutcome) return this.#files.wants(frame.sequence) && this.#save(frame);
    return this.#pending.size > 0 && this.#caughtUp();
  }

  /** The frame's outcome is known: as `write`, for a policy that waits for it. */
  settled(frame: Frame, outcome: SavedOutcome): Promise<void> | false {
    return this.#files.byOutcome && this.#files.wants(frame.sequence, outcome) && this.#save(frame);
  }

  /** Ends when what is being saved is saved. */
  async close(): Promise<void> {
    await Promise.allSettled(this.#pending);
    this.#files.close();
  }

  /** What is being saved is saved; false, for no frame is written. */
  async #caughtUp(): Promise<boolean> {
    await Promise.allSettled(this.#pending);
    return false;
  }

  async #save(frame: Frame): Promise<void> {
    const saving = this.#files.save(frame, frame.jpeg);
    this.#pending.add(saving);
    try {
      frame.saved(await saving);
    } finally {
      this.#pending.delete(saving);
    }
  }
}
