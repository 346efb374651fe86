/**
 * The log of injected faults: a line of JSON for each, written as it happens, so that it is whole however the run
 * ends. Several cameras may write to one file.
 *
 * - `line`: a camera's line begins: `camera` (its id), `life` (how often it was switched on), `startedAt`, `throttle`,
 *   `faults` (what was asked for)
 * - `host`: a host has connected
 * - `fault`: `direction`, `kind` and its parameters, and the `packet` that met it
 * - `full`: what follows is not in the log
 *
 * `packets` counts, in each direction, the packets that could have been hit since the camera was opened, the one that
 * was hit included; `atMs` is the time since then.
 */
import type { FaultOptions } from './fault-options.js';
import type { InjectedFault } from './faults.js';
import { JsonLinesFile } from './json-lines-file.js';

/** About 150 bytes each: hours of a line that is busy and bad. */
const MAX_LINES = 1_000_000;

/** Faults that were asked for: by chance, or those of a log. */
export type FaultRequest = FaultOptions | { readonly replay: string; readonly throttle: number };

export class FaultLog {
  readonly #file: JsonLinesFile;
  readonly #camera: number;
  readonly #start = performance.now();
  readonly #maxLines: number;
  #lines = 0;

  /** FILE_FAILED when the file cannot be opened. `faults`: undefined when the line has none. */
  constructor(
    path: string,
    { id, life }: { readonly id: number; readonly life: number },
    faults: FaultRequest | undefined,
    maxLines = MAX_LINES,
  ) {
    this.#file = new JsonLinesFile('fault log', path);
    this.#camera = id;
    this.#maxLines = maxLines;
    this.#file.add({
      type: 'line',
      camera: id,
      life,
      startedAt: new Date().toISOString(),
      throttle: faults?.throttle ?? 0,
      faults: faults ?? null,
    });
  }

  host(packets: InjectedFault['packets']): void {
    this.#add('host', { packets });
  }

  fault({ direction, packets, fault, packet }: InjectedFault): void {
    this.#add('fault', { direction, packets, ...fault, packet });
  }

  /** Idempotent. FILE_FAILED when not everything could be written. */
  close(): void {
    this.#file.close();
  }

  #add(type: 'host' | 'fault', fields: object): void {
    if (this.#lines > this.#maxLines) return;
    const full = this.#lines++ === this.#maxLines;
    const atMs = Math.round((performance.now() - this.#start) * 1_000) / 1_000;
    this.#file.add({ type: full ? 'full' : type, camera: this.#camera, atMs, ...(full ? {} : fields) });
  }
}
