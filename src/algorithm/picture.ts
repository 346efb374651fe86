/** Pictures of calls, out of the files that the host puts into PROC_SHM_DIR. */
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodePixels } from '../pixels.js';
import { AlgorithmError, type Picture, type Pixels } from './types.js';

const IMAGE_LOAD_FAILED = 1002;

function unusable(id: string, why: string, cause?: unknown): AlgorithmError {
  return new AlgorithmError(IMAGE_LOAD_FAILED, `The image ${id} ${why}.`, { cause });
}

/** Where the image of an id is: every character outside `[a-zA-Z0-9._-]` is replaced. */
export function imagePath(id: string): string {
  const directory = process.env['PROC_SHM_DIR'] || join(tmpdir(), 'procvision_dev_shm');
  return join(directory, `${id.replace(/[^a-zA-Z0-9._-]/gu, '_')}.bin`);
}

class FilePicture implements Picture {
  readonly id: string;
  readonly width: number;
  readonly height: number;
  readonly timestampMs: number;
  readonly cameraId: string;
  readonly data: unknown;
  #bytes: Buffer | undefined;

  constructor(id: string, meta: Record<string, unknown>) {
    this.id = id;
    this.width = Number(meta['width']);
    this.height = Number(meta['height']);
    this.timestampMs = Number(meta['timestamp_ms'] ?? 0);
    this.cameraId = String(meta['camera_id'] ?? '');
    this.data = meta['data'];
  }

  jpeg(): Buffer {
    this.#bytes ??= this.#read();
    return this.#bytes;
  }

  async pixels(kind: 'rgb' | 'grey' = 'rgb'): Promise<Pixels> {
    const bytes = this.jpeg();
    const pixels = await decodePixels(bytes, kind === 'rgb' ? 'RGB3' : 'GREY', { whole: true }).catch(
      (error: Error) => {
        const why = error.cause instanceof Error ? error.cause.message : error.message;
        throw unusable(this.id, `cannot be decoded: ${why}`, error);
      },
    );
    if (pixels.width !== this.width || pixels.height !== this.height) {
      throw unusable(
        this.id,
        `has ${pixels.width}x${pixels.height} pixels, but ${this.width}x${this.height} were announced`,
      );
    }
    return { ...pixels, channels: kind === 'rgb' ? 3 : 1 };
  }

  #read(): Buffer {
    let bytes: Buffer;
    try {
      bytes = readFileSync(imagePath(this.id));
    } catch (cause) {
      throw unusable(this.id, `cannot be read (${(cause as NodeJS.ErrnoException).code})`, cause);
    }
    if (bytes.length < 4 || bytes.readUInt16BE(0) !== 0xffd8) throw unusable(this.id, 'is no JPEG');
    // Some encoders fill up behind the end.
    let end = bytes.length;
    while (end > 2 && bytes[end - 1] === 0) end -= 1;
    if (bytes.readUInt16BE(end - 2) !== 0xffd9) throw unusable(this.id, 'is cut short');
    return bytes;
  }
}

/** The image of an id with what was announced of it; `AlgorithmError` when that is no image. */
export function openPicture(id: unknown, meta: unknown): Picture {
  if (typeof id !== 'string' || id === '') {
    throw new AlgorithmError(IMAGE_LOAD_FAILED, 'The call names no image.');
  }
  const fields = typeof meta === 'object' && meta !== null ? (meta as Record<string, unknown>) : {};
  const image = new FilePicture(id, fields);
  if (!(image.width > 0 && image.height > 0)) throw unusable(id, 'was announced without a size');
  return image;
}
