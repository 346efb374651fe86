/** The places in shared memory that every delivered frame is put into. */
import { asBridgeError, BridgeError } from '../errors.js';
import type { Frame } from '../frames/frame.js';
import { type FrameStore, openViznWriter } from '../shm/index.js';
import type { BridgeOptions } from './options.js';

export class Stores {
  readonly #stores: FrameStore[] = [];
  readonly #failed: (error: BridgeError) => void;
  /** Stores whose failure has been told and that have not worked since. */
  readonly #failing = new Set<FrameStore>();

  /** `failed` is told what does not work; once for each store, until it works again. */
  constructor(failed: (error: BridgeError) => void) {
    this.#failed = failed;
  }

  /**
   * Opens what the options ask for. A full shared memory, or a machine that has none, is told and done without;
   * anything else (SHM_IN_USE, OPTION_INVALID ...) is thrown, and nothing stays open.
   */
  open(options: BridgeOptions): void {
    try {
      if (options.shm) {
        this.#add(() =>
          openViznWriter({ name: options.shmName, size: options.shmSize, mode: options.shmMode }),
        );
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Name of the first store, by which events lead to the frame; null: there is none. */
  get name(): string | null {
    return this.#stores[0]?.name ?? null;
  }

  /** Publishes a frame everywhere. */
  write(frame: Frame): void {
    for (const store of this.#stores) {
      try {
        store.write(frame);
        this.#failing.delete(store);
      } catch (error) {
        if (!this.#failing.has(store)) this.#failed(asBridgeError(error, 'SHM_FAILED'));
        this.#failing.add(store);
      }
    }
  }

  /** Takes them all away. Idempotent. */
  close(): void {
    for (const store of this.#stores.splice(0)) store.close();
  }

  #add(open: () => FrameStore): void {
    try {
      this.#stores.push(open());
    } catch (error) {
      if (!(error instanceof BridgeError) || (error.code !== 'SHM_FULL' && error.code !== 'UNSUPPORTED')) {
        throw error;
      }
      this.#failed(error);
    }
  }
}
