/** `openmv-bridge recover FILE...`: finishes recordings whose program was killed. */
import type { Command } from 'commander';
import { withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';

export function configure(command: Command): void {
  command.usage('FILE...').argument('<files...>', 'recordings, each finished in its place');
  command.action((files: string[]) =>
    withOutput(false, async (output) => {
      const { recoverFile } = await import('../../recording/index.js');
      for (const file of files) {
        const { whole, messages, topics, cut, rest: kept } = await recoverFile(file);
        const frames = [...topics].reduce(
          (sum, [topic, count]) => sum + (topic.endsWith('/frame') ? count : 0),
          0,
        );
        const what = `${messages} messages, ${frames} of them frames`;
        const rest =
          cut === 0
            ? ''
            : `; ${cut} bytes of an unfinished piece at its end were cut off${kept === undefined ? '' : `, to ${kept}`}`;
        output.text(`${file}: ${whole ? `is whole: ${what}` : `finished: ${what}${rest}`}\n`);
      }
      return EXIT.done;
    }),
  );
}
