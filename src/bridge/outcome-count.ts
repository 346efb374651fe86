/** The outcomes of the frames that an algorithm was given: counted, and waited for. */
import type { AlgorithmStats } from './events.js';

type Outcome = 'ok' | 'ng' | 'failed' | 'skipped';

export class OutcomeCount {
  readonly #counts = { ok: 0, ng: 0, failed: 0, skipped: 0 };
  /** Frames without an outcome yet, and pictures that are being drawn. */
  #pending = 0;
  #drawing = 0;
  #idle: (() => void)[] = [];
  #latencySum = 0;
  #latencyCount = 0;

  /** A frame is given to the algorithm: its outcome will follow. */
  begin(): void {
    this.#pending++;
  }

  /** A frame has its outcome, which is counted before it is told. */
  settle(outcome: Outcome, tell: () => void): void {
    this.#pending--;
    this.#counts[outcome]++;
    tell();
    this.#wakeIdle();
  }

  /** What is drawn belongs to an outcome that has been told. `drawn` does not reject. */
  async draw(drawn: Promise<void> | undefined): Promise<void> {
    this.#drawing++;
    await drawn;
    this.#drawing--;
    this.#wakeIdle();
  }

  /** What a call took. */
  latency(ms: number): void {
    this.#latencySum += ms;
    this.#latencyCount++;
  }

  /** Resolves when every frame has its outcome, and its picture is drawn. */
  async drained(): Promise<void> {
    if (this.#pending + this.#drawing > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  /** The figures; the latency is the mean since the last call. */
  take(): Pick<AlgorithmStats, Outcome | 'pending' | 'latencyMs'> {
    const latencyMs = this.#latencyCount === 0 ? null : this.#latencySum / this.#latencyCount;
    this.#latencySum = 0;
    this.#latencyCount = 0;
    return { ...this.#counts, pending: this.#pending, latencyMs };
  }

  #wakeIdle(): void {
    if (this.#pending + this.#drawing === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }
}
