/** Tells what a script prints from what the firmware prints when the script has ended. */

const REBOOT = 'MPY: soft reboot\r\n';
const HELP = 'Type "help()" for more information.';
const PROMPT = '>>> ';
const LONGEST_VERSION = 200;

/**
 * Lets text through as it comes, but for what may be the firmware's last words: `MPY: soft reboot`, its banner, its
 * prompt. Those are held until something follows, for then it was the script that printed them.
 */
export class ReplFilter {
  #held = '';
  #atLineStart = true;

  /** Takes a piece of any length; gives what is known to be the script's. */
  push(text: string): string {
    this.#held += text;
    let shown = '';
    while (this.#held !== '') {
      if (this.#atLineStart && mayBeLastWords(this.#held)) break;
      // Up to the next place where the last words could begin.
      const end = this.#held.indexOf('\n') + 1 || this.#held.length;
      shown += this.#held.slice(0, end);
      this.#atLineStart = this.#held[end - 1] === '\n';
      this.#held = this.#held.slice(end);
    }
    return shown;
  }

  /** The output is over: gives what was held although it is the script's. */
  end(): string {
    const rest = this.#held.startsWith(REBOOT) ? '' : this.#held;
    this.#held = '';
    return rest;
  }
}

/** Whether a text is the beginning of the firmware's last words, or all of them. */
function mayBeLastWords(text: string): boolean {
  if (!text.startsWith(REBOOT)) return REBOOT.startsWith(text);
  const [version = '', help, prompt, ...more] = text.slice(REBOOT.length).split('\r\n');
  if (help === undefined) return version.length <= LONGEST_VERSION && !version.includes('\n');
  if (!version.includes('MicroPython') || more.length > 0) return false;
  return prompt === undefined ? `${HELP}\r`.startsWith(help) : help === HELP && PROMPT.startsWith(prompt);
}

/**
 * Whether an output ends with a traceback, that is whether an exception ended the script. One that was printed and went
 * on has something behind it.
 */
export function endsWithTraceback(text: string): boolean {
  // Its head line may have been pushed out of the camera's memory by the lines behind it.
  return /(^|\n) {2}File "[^\n]*\n[A-Za-z_][\w.]*(:[^\n]*)?\s*$/.test(text.replaceAll('\r', ''));
}
