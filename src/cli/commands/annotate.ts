/** `openmv-bridge annotate RESULTS`: draws results that were written down or recorded onto their frames. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
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
import { isMcap, readRecorded, readRecordedLines } from '../../replay/index.js';
import { ownFlags, withOutput } from '../command.js';
import { EXIT } from '../exit-status.js';

export function configure(command: Command): void {
  const text = z.string().min(1);
  command.argument('<results>', 'an MCAP recording, or the JSON lines, or - for stdin');
  const given = ownFlags(command, {
    frames: text.optional().meta({
      flag: '--frames DIR',
      group: 'Options',
      description:
        'where `run --save` put the frames; a recording has them, and `algo run` names its files itself',
    }),
    out: text.meta({ flag: '--out DIR', group: 'Options', description: 'where the annotated images go' }),
  });
  command.action((path: string) =>
    withOutput(false, async (output) => {
      const { frames, out } = given();
      const annotated = await AnnotatedFiles.open(out);
      let drawn = 0;
      for await (const { line, jpeg, takenAtMs } of drawings(path, frames, annotated)) {
        const bytes = await annotatePicture(jpeg, annotationOfLine(line));
        const { cameraId, sequence } = line;
        const time = takenAtMs === undefined ? {} : { takenAtMs };
        await (await annotated.of(cameraId)).save({ cameraId, sequence, ...time }, bytes);
        drawn++;
        if (process.stdout.isTTY) output.live(`${drawn} drawn`);
      }
      if (drawn === 0) {
        throw new BridgeError(
          'OPTION_INVALID',
          `There is no result of a frame in ${path}: give what --json printed, or a recording with an algorithm.`,
        );
      }
      for (const earlier of annotated.earlier)
        output.log('info', `annotated images of an earlier run were moved to ${earlier}`);
      output.log('info', `${drawn} pictures in ${out}`);
      return EXIT.done;
    }),
  );
}

interface Drawing {
  readonly line: ResultLine;
  readonly jpeg: Uint8Array;
  /** Unix milliseconds; undefined: it is not known. */
  readonly takenAtMs?: number;
}

/** What is to be drawn, in the order of the frames of a recording, or of the lines. */
async function* drawings(
  path: string,
  frames: string | undefined,
  annotated: AnnotatedFiles,
): AsyncGenerator<Drawing> {
  if (await isRecording(path)) {
    if (frames !== undefined)
      throw new BridgeError('OPTION_INVALID', `${path} is a recording, which has the frames: omit --frames.`);
    yield* recordedDrawings(path);
    return;
  }
  for await (const line of results(path)) {
    const image = picturePath(line, frames);
    await annotated.checkApart(image);
    yield { line, jpeg: (await readPicture(image)).jpeg };
  }
}

/** A pipe could not be read again, and is not looked into. What is not there is told when it is read. */
async function isRecording(path: string): Promise<boolean> {
  const isFile = await stat(path).then(
    (entry) => entry.isFile(),
    () => false,
  );
  return path !== '-' && isFile && (await isMcap(path));
}

/** All results are read before the frames: they come behind theirs, and a frame need not have one. */
async function* recordedDrawings(path: string): AsyncGenerator<Drawing> {
  const lines = new Map<string, ResultLine>();
  for await (const { cameraId, sequence, line } of readRecordedLines(path, ['result'])) {
    const parsed = parseResult(line);
    if ('problem' in parsed) {
      throw new BridgeError(
        'OPTION_INVALID',
        `The result ${sequence} of ${cameraId} in ${path} cannot be used: ${parsed.problem}`,
      );
    }
    lines.set(`${cameraId} ${sequence}`, parsed.line);
  }
  if (lines.size === 0) return;
  for await (const item of readRecorded(path, ['frame'])) {
    if (item.type !== 'frame') continue;
    const { cameraId, sequence, jpeg, capturedAtMs: takenAtMs } = item.frame;
    const line = lines.get(`${cameraId} ${sequence}`);
    if (line) yield { line, jpeg, takenAtMs };
  }
}

function parseResult(value: unknown): { readonly line: ResultLine } | { readonly problem: string } {
  const parsed = resultLineSchema.safeParse(value);
  if (parsed.success) return { line: parsed.data };
  const { issues } = parsed.error;
  return { problem: issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ') };
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
      const parsed = parseResult(value);
      if ('problem' in parsed) throw new Error(parsed.problem);
      yield parsed.line;
    }
  } catch (cause) {
    if (cause instanceof BridgeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const where = number === 0 ? path : `${path}, line ${number},`;
    throw new BridgeError('OPTION_INVALID', `${where} cannot be used: ${reason}`, { cause });
  }
}
