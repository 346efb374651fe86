/** What people read of a script's output: when it is stopped, the firmware prints what looks like a failure. */

/** Of a script that the host stopped: no line but places in it. */
const STOPPED = /^Traceback \(most recent call last\):\r?\n(?: {2}File [^\n]*\n)+KeyboardInterrupt: ?\r?\n/;
/** Of the firmware's prompt, on which no one types. */
const PROMPT = /(?:OpenMV [^\n]*\n)?(?:Type "help\(\)"[^\n]*\n)?>>> ?$/;

/** The text without both, and whether it said that the script was stopped. */
export function scriptOutput(text: string): { readonly text: string; readonly stopped: boolean } {
  const stopped = STOPPED.test(text);
  return { text: text.replace(STOPPED, '').replace(PROMPT, '').trimEnd(), stopped };
}
