/** `openmv-bridge annotate RESULTS`: draws results that were written down onto the frames that were saved. */
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import { z } from 'zod';
import { BridgeError } from '../../errors.js';
import {
  AnnotatedFiles,
  annotatePicture,
  annotationOfLine,
  type ResultLine,
  readPicture,
  resultLineSchema,
} from '../../pictures/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';

export function configure(command: Command): void {
  const text = z.string().min(1);
  command.argument('<results>', 'the JSON lines, or - for stdin');
  const given = ownFlags(command, {
    frames: text.optional().meta({
      flag: '--frames DIR',
      group: 'Options',
      description: 'where `run --save` put the frames; `algo run` names its files itself',
    }),
    out: text.meta({ flag: '--out DIR', group: 'Options', description: 'where the annotated images go' }),
  });
  command.action((path: string) =>
    withOutput(false, async (output) => {
      const { frames, out } = given();
      const annotated = await AnnotatedFiles.open(out);
      let drawn = 0;
      for await (const line of results(path)) {
        const image = picturePath(line, frames);
        await annotated.checkApart(image);
        const { jpeg } = await readPicture(image);
        const bytes = await annotatePicture(jpeg, annotationOfLine(line));
        await (await annotated.of(line.cameraId)).save(line, bytes);
        drawn++;
        if (process.stdout.isTTY) output.live(`${drawn} drawn`);
      }
      if (drawn === 0) {
        throw new BridgeError('OPTION_INVALID', `There is no result in ${path}: give what --json printed.`);
      }
      for (const earlier of annotated.earlier)
        output.log('info', `annotated images of an earlier run were moved to ${earlier}`);
      output.log('info', `${drawn} pictures in ${out}`);
      return EXIT.done;
    }),
  );
}

const frameName = ({ cameraId, sequence }: ResultLine): string =>
  `${cameraId}-${String(sequence).padStart(8, '0')}`;

function picturePath(line: ResultLine, frames: string | undefined): string {
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
