/** One flag that can be waited for, with a longest wait. */
export class Wake {
  #set = false;
  #resolve: ((byTimer: boolean) => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  /** Ends the wait under way, or the next one at once. */
  set(): void {
    this.#set = true;
    this.#end(false);
  }

  /** Forgets that it was set. */
  clear(): void {
    this.#set = false;
  }

  /** Resolves when set, or after `ms`; true: it was the timer. Clears the flag. One wait at a time. */
  wait(ms: number): Promise<boolean> {
    if (this.#set) {
      this.#set = false;
      return Promise.resolve(false);
    }
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#timer = setTimeout(() => this.#end(true), ms);
    });
  }

  #end(byTimer: boolean): void {
    const resolve = this.#resolve;
    if (!resolve) return;
    this.#resolve = undefined;
    clearTimeout(this.#timer);
    this.#set = false;
    resolve(byTimer);
  }
}
