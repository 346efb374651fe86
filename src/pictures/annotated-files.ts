/** What is drawn on images: out of a result or a JSON line of one, into files of a directory. */
import { join } from 'node:path';
import { z } from 'zod';
import { makeFolder, writeWhole } from '../files.js';
import type { Frame } from '../frames/index.js';
import { type CallResult, readRects } from '../runner/index.js';
import { type Annotation, annotatePicture } from './annotate.js';
import type { SavedFiles } from './saved-files.js';

/** What is drawn for a result of the library. */
export function annotationOf(result: CallResult): Annotation {
  if (result.outcome === 'failed') return { outcome: 'failed', text: result.error.message };
  const { outcome, ngReason: text, defectRects, positionRects = [], calibrationRects = [] } = result;
  return { outcome, text, defectRects, positionRects, calibrationRects };
}

/** A JSON line of type `result`, as the commands print it. */
export const resultLineSchema = z.looseObject({
  type: z.literal('result'),
  cameraId: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
  sequence: z.number().int().min(1),
  /** The image's path, from `algo run`. */
  file: z.string().min(1).optional(),
  resultStatus: z.enum(['OK', 'NG']).nullable(),
  data: z.record(z.string(), z.unknown()).nullish(),
  error: z.looseObject({ message: z.string() }).optional(),
});
export type ResultLine = z.infer<typeof resultLineSchema>;

/** What is drawn for such a line. */
export function annotationOfLine(line: ResultLine): Annotation {
  if (line.resultStatus === null) return { outcome: 'failed', text: line.error?.message };
  const data = line.data ?? {};
  const reason = data['ng_reason'];
  const rects = (name: string) => readRects(data[name], new Set()) ?? [];
  return {
    outcome: line.resultStatus === 'OK' ? 'ok' : 'ng',
    text: typeof reason === 'string' && reason !== '' ? reason : undefined,
    defectRects: rects('defect_rects'),
    positionRects: rects('position_rects'),
    calibrationRects: rects('calibration_rects'),
  };
}

export class AnnotatedFiles {
  private constructor(private readonly directory: string) {}

  /** Creates the directory if need be; FILE_FAILED. */
  static async open(directory: string): Promise<AnnotatedFiles> {
    await makeFolder('Annotated images cannot be saved', directory);
    return new AnnotatedFiles(directory);
  }

  /** Draws and writes `<name>.jpg`, which appears only when it is whole; gives its path. FILE_FAILED, FRAME_CORRUPT. */
  async save(name: string, jpeg: Uint8Array, annotation: Annotation): Promise<string> {
    const path = join(this.directory, `${name}.jpg`);
    await writeWhole('Annotated images cannot be saved', path, await annotatePicture(jpeg, annotation));
    return path;
  }
}

/** Draws and saves a frame that the folder's policy wants; false: it does not. FILE_FAILED, FRAME_CORRUPT. */
export async function saveAnnotated(files: SavedFiles, frame: Frame, result: CallResult): Promise<boolean> {
  if (!files.wants(frame.sequence, result.outcome)) return false;
  await files.save(frame, await annotatePicture(frame.jpeg, annotationOf(result)));
  return true;
}
