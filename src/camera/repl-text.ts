/** Tells what a script prints from what the firmware prints when the script has ended. */

const REBOOT = 'MPY: soft reboot';
const HELP = 'Type "help()"';
const PROMPT = '>>> ';
/** What a version line begins with, and how long it is at most. */
const PRODUCTS = ['OpenMV ', 'MicroPython '];
const LONGEST_VERSION = 200;

/**
 * Lets text through as it comes, but for what may be the firmware's last words: that it restarts, its version, its help,
 * its prompt, any of which may be missing. Those are held until something follows, for then it was the script that
 * printed them.
 */
export class ReplFilter {
  #held = '';
  #atLineStart = true;

  /** Takes a piece of any length; gives what is known to be the script's. */
  push(text: string): string {
    this.#held += text;
    let shown = '';
    while (this.#held !== '') {
      if ((this.#atLineStart || beginsReboot(this.#held, 0)) && lastWords(this.#held) !== 'no') break;
      // Up to the next place where the last words could begin: a line, or the word of a restart behind an unfinished one.
      const end = nextBeginning(this.#held);
      shown += this.#held.slice(0, end);
      this.#atLineStart = this.#held[end - 1] === '\n';
      this.#held = this.#held.slice(end);
    }
    return shown;
  }

  /** The output is over: gives what was held although it is the script's. */
  end(): string {
    const rest = lastWords(this.#held) === 'yes' ? '' : this.#held;
    this.#held = '';
    return rest;
  }
}

function beginsReboot(text: string, at: number): boolean {
  return REBOOT.startsWith(text.slice(at, at + REBOOT.length));
}

function nextBeginning(text: string): number {
  for (let at = 1; at < text.length; at++) {
    if (text[at - 1] === '\n' || beginsReboot(text, at)) return at;
  }
  return text.length;
}

/** Whether a text, from the beginning of a line on, is the firmware's last words, or the beginning of them. */
function lastWords(text: string): 'yes' | 'maybe' | 'no' {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const begun = lines.pop() ?? '';
  // How many of their lines, in their order, have gone by.
  let passed = 0;
  let sure = false;
  for (const line of lines) {
    const place = [line === REBOOT, isVersion(line, passed), line.startsWith(HELP)].indexOf(true, passed);
    if (place < 0) return 'no';
    sure ||= place !== 1;
    passed = place + 1;
  }
  const fits =
    (passed === 0 && REBOOT.startsWith(begun)) ||
    (passed <= 1 && mayBecomeVersion(begun, passed)) ||
    (passed <= 2 && (HELP.startsWith(begun) || begun.startsWith(HELP))) ||
    (passed > 0 && PROMPT.startsWith(begun));
  if (!fits) return 'no';
  return sure ? 'yes' : 'maybe';
}

/** Behind the word of a restart a version line may begin with anything. */
function isVersion(line: string, passed: number): boolean {
  return line.includes('MicroPython') && mayBecomeVersion(line, passed);
}

function mayBecomeVersion(line: string, passed: number): boolean {
  if (line.length > LONGEST_VERSION) return false;
  return passed > 0 || PRODUCTS.some((product) => product.startsWith(line) || line.startsWith(product));
}

/**
 * The traceback that an output ends with, that is of the exception that ended the script; undefined when there is none.
 * One that was printed and went on has something behind it.
 */
export function tracebackAtEnd(output: string): string | undefined {
  const text = output.replaceAll('\r', '');
  const last = /(^|\n) {2}File "[^\n]*\n[A-Za-z_][\w.]*(:[^\n]*)?\s*$/.exec(text);
  if (!last) return undefined;
  // Its head line may have been pushed out of the camera's memory by the lines behind it.
  const head = text.lastIndexOf('Traceback (most recent call last):', last.index);
  return text.slice(head < 0 ? last.index : head).trim();
}
