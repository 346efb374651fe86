/** What is drawn on images: out of a result or a JSON line of one, into files of a directory. */
import { realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { BridgeError } from '../errors.js';
import { makeFolder } from '../files.js';
import type { Frame } from '../frames/index.js';
import { type CallResult, readRects } from '../runner/index.js';
import { type Annotation, annotatePicture } from './annotate.js';
import { SavedFiles } from './saved-files.js';

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

const WHAT = 'Annotated images cannot be saved';

/** A folder of annotated images, of any number of cameras. */
export class AnnotatedFiles {
  /** Folders that images of earlier runs were moved to. */
  readonly earlier: string[] = [];
  readonly #directory: string;
  /** Folders of images that are others. */
  readonly #apart = new Set<string>();
  readonly #cameras = new Map<string, Promise<SavedFiles>>();

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Creates the folder if need be; FILE_FAILED. */
  static async open(directory: string): Promise<AnnotatedFiles> {
    await makeFolder(WHAT, directory);
    return new AnnotatedFiles(await realpath(directory));
  }

  /** OPTION_INVALID: the image is in the folder itself, where it could have to make way. */
  async checkApart(image: string): Promise<void> {
    const folder = dirname(image);
    if (this.#apart.has(folder)) return;
    // One that is not there is told when it is read.
    if ((await realpath(folder).catch(() => undefined)) !== this.#directory) {
      this.#apart.add(folder);
      return;
    }
    throw new BridgeError(
      'OPTION_INVALID',
      `${image} is in the folder that annotated images go to. Give them another folder.`,
      { context: { path: image } },
    );
  }

  /** Those of a camera; what an earlier run left of them makes way. FILE_FAILED. */
  of(cameraId: string): Promise<SavedFiles> {
    const known = this.#cameras.get(cameraId) ?? this.#open(cameraId);
    this.#cameras.set(cameraId, known);
    return known;
  }

  async #open(cameraId: string): Promise<SavedFiles> {
    const files = await SavedFiles.open(WHAT, this.#directory, cameraId, { when: 'all' });
    if (files.earlier !== undefined) this.earlier.push(files.earlier);
    return files;
  }
}

/** Draws and saves a frame that the folder's policy wants; false: it does not. FILE_FAILED, FRAME_CORRUPT. */
export async function saveAnnotated(files: SavedFiles, frame: Frame, result: CallResult): Promise<boolean> {
  if (!files.wants(frame.sequence, result.outcome)) return false;
  await files.save(frame, await annotatePicture(frame.jpeg, annotationOf(result)));
  return true;
}
