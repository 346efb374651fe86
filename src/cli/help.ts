/** What help says beside commander's own lists, no wider than these. */
import type { Command } from 'commander';

/** Commander's own, where help goes to no terminal. */
const WIDTH = 80;

/** Text wrapped to the width of help, each of its lines behind `indent` spaces. */
export function wrapped(command: Command, text: string, indent: number): string {
  const width = command.configureOutput().getOutHelpWidth?.() ?? WIDTH;
  const lines = command.createHelp().boxWrap(text, width - indent);
  return lines.replace(/^/gm, ' '.repeat(indent));
}

/** Words too many are most often an algorithm whose `--` is missing: commander's error does not say so. */
export function mentionDashes(command: Command): void {
  if (!command.usage().includes('-- ALGORITHM')) return;
  command.configureOutput({
    outputError: (text, write) =>
      write(
        text.includes('too many arguments')
          ? `${text}(An algorithm stands behind --, as in: -- python3 algorithm.py)\n`
          : text,
      ),
  });
}
