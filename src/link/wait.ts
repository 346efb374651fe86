/** The host's one deadline: armed for a reply, put off while a packet arrives, prolonged once when time was lost. */
import { HOST_TIMING } from './timing.js';

export class Wait {
  /** When it is over; undefined: nothing is waited for. */
  deadline: number | undefined;
  /** How far a packet that is still arriving may put the deadline off. */
  #latest = 0;
  /** This wait has been prolonged, because its tick came late. */
  #prolonged = false;

  arm(now: number, ms: number): void {
    this.deadline = now + ms;
    this.#latest = now + HOST_TIMING.packetMs;
    this.#prolonged = false;
  }

  disarm(): void {
    this.deadline = undefined;
  }

  /** A long packet takes its time on a slow line: while it arrives, the device is not silent. */
  packetArrives(now: number): void {
    if (this.deadline === undefined) return;
    this.deadline = Math.max(this.deadline, Math.min(this.#latest, now + HOST_TIMING.fragmentMs));
  }

  over(now: number): boolean {
    return this.deadline !== undefined && now >= this.deadline;
  }

  /**
   * A tick much later than its deadline shows that the process was busy elsewhere: bytes that came meanwhile may
   * still be on their way to it. Goes on once, so that they arrive; true: it does.
   */
  prolong(now: number): boolean {
    if (this.deadline === undefined || this.#prolonged || now <= this.deadline + HOST_TIMING.stallMs)
      return false;
    this.#prolonged = true;
    this.deadline = now + HOST_TIMING.stallMs;
    return true;
  }
}
