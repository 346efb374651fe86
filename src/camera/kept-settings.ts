/** What a camera has been set to, so that it can be set so again when its script has begun anew. */
import type { CheckedSettings } from './controls-values.js';

/** Settings that arrange the picture anew: the script makes them only when it takes all others of the request. */
const FORM = ['pixformat', 'framesize'] as const;
/** The script's names of settings that are called otherwise here. */
const SCRIPT_NAMES: Readonly<Record<string, string>> = { whiteBalance: 'whitebalance' };

export class KeptSettings {
  #all: CheckedSettings = {};

  /** The last value of each setting that was taken. */
  get all(): CheckedSettings {
    return this.#all;
  }

  get empty(): boolean {
    return Object.keys(this.#all).length === 0;
  }

  /** After a request: `errors` of its reply, by the script's names of settings. */
  add(settings: CheckedSettings, errors: Readonly<Record<string, string>> = {}): void {
    if (errors['request'] !== undefined) return;
    const refused = Object.keys(errors);
    const taken = Object.fromEntries(
      Object.entries(settings).filter(
        ([name, value]) => value !== undefined && !refused.includes(SCRIPT_NAMES[name] ?? name),
      ),
    ) as CheckedSettings;
    if (refused.length > 0) for (const name of FORM) delete taken[name];
    const ehdr = { ...this.#all.ehdr, ...taken.ehdr };
    this.#all = { ...this.#all, ...taken, ...(taken.ehdr && { ehdr }) };
  }

  /** Instead of the colour temperature asked for: the gains it became, unless white balance was set again since. */
  replaceBalance(
    asked: CheckedSettings['whiteBalance'],
    became: NonNullable<CheckedSettings['whiteBalance']>,
  ): void {
    if (this.#all.whiteBalance === asked) this.#all = { ...this.#all, whiteBalance: became };
  }
}
