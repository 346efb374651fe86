/** `openmv-bridge annotate RESULTS`: draws results that were written down onto the frames that were saved. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { BridgeError } from '../../errors.js';
import { makeFolder } from '../../files.js';
import { AnnotatedFiles } from '../../pictures/annotated-files.js';
import { annotationOfLine, type ResultLine, resultLineSchema } from '../../pictures/annotation.js';
import { readPicture } from '../../pictures/picture-file.js';
import { withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';

interface AnnotateFlags {
  frames?: string;
  out: string;
}

export function addAnnotateCommand(program: Command): void {
  program
    .command('annotate')
    .description('draw the results of `run --json` or `algo run --json` onto their pictures')
    .argument('<results>', 'the JSON lines, or - for stdin')
    .option('--frames <dir>', 'where `run --save` put the frames; `algo run` names its files itself')
    .requiredOption('--out <dir>', 'where the annotated pictures go')
    .action((path: string, flags: AnnotateFlags) =>
      withOutput(false, async (output) => {
        await makeFolder('Annotated pictures cannot be saved', flags.out);
        const files = await AnnotatedFiles.open(flags.out);
        let drawn = 0;
        for await (const line of results(path)) {
          const picture = await readPicture(picturePath(line, flags));
          await files.save(frameName(line), picture.jpeg, annotationOfLine(line));
          drawn++;
          if (process.stdout.isTTY) output.live(`${drawn} drawn`);
        }
        if (drawn === 0) {
          throw new BridgeError('OPTION_INVALID', `There is no result in ${path}: give what --json printed.`);
        }
        output.log('info', `${drawn} pictures in ${flags.out}`);
        return EXIT.done;
      }),
    );
}

const frameName = ({ cameraId, sequence }: ResultLine): string =>
  `${cameraId}-${String(sequence).padStart(8, '0')}`;

function picturePath(line: ResultLine, { frames }: AnnotateFlags): string {
  if (frames !== undefined) return join(frames, `${frameName(line)}.jpg`);
  if (line.file !== undefined) return line.file;
  throw new BridgeError(
    'OPTION_INVALID',
    `The result ${line.sequence} names no file: give the directory of \`run --save\` with --frames.`,
  );
}

/** The results among the lines; others are passed over. */
async function* results(path: string): AsyncGenerator<ResultLine> {
  const input = path === '-' ? process.stdin : createReadStream(path);
  let number = 0;
  try {
    for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      number++;
      if (!text.startsWith('{')) continue;
      const value: unknown = JSON.parse(text);
      if ((value as { type?: unknown }).type !== 'result') continue;
      const parsed = resultLineSchema.safeParse(value);
      if (!parsed.success) {
        const { issues } = parsed.error;
        throw new Error(issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '));
      }
      yield parsed.data;
    }
  } catch (cause) {
    if (cause instanceof BridgeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const where = number === 0 ? path : `${path}, line ${number},`;
    throw new BridgeError('OPTION_INVALID', `${where} cannot be used: ${reason}`, { cause });
  }
}
