/** What a bridge does by the clock: figures once a second, its end after the wanted time, a warning when it idles. */

const STATS_MS = 1_000;
/** A bridge that pulls nothing for so long after it was opened says so. */
const IDLE_WARNING_MS = 2_000;

export class BridgeTimers {
  #stats: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;

  /** The bridge is open. `tellStats` is called from now on; `wanted`: frames are waited for, or will be asked for at once. */
  opened(tellStats: () => void, wanted: boolean): void {
    this.#stats = setInterval(tellStats, STATS_MS);
    if (!wanted) this.#idle = setTimeout(warnIdle, IDLE_WARNING_MS);
  }

  /** Frames are pulled. `over` is called after `durationMs`; undefined: never. */
  begun(durationMs: number | undefined, over: () => void): void {
    clearTimeout(this.#idle);
    if (durationMs !== undefined) this.#end = setTimeout(over, durationMs);
  }

  stop(): void {
    clearInterval(this.#stats);
    clearTimeout(this.#end);
    clearTimeout(this.#idle);
  }
}

function warnIdle(): void {
  process.emitWarning(
    'An openmv-bridge was opened 2 s ago and pulls no frames: subscribe to frames$, or call start().',
    { code: 'OPENMV_BRIDGE_IDLE' },
  );
}
