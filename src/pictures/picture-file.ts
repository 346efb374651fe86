/** Pictures out of files, as the JPEG that algorithms get. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError } from '../errors.js';
import { readProblem } from '../files.js';
import { checkJpeg } from '../frames/index.js';

/** Of an image that has to be encoded again: high enough that an algorithm sees what the file shows. */
const QUALITY = 95;
const PICTURE_NAME = /\.(?:jpe?g|png|webp|tiff?|bmp|gif)$/i;

export interface PictureFile {
  readonly path: string;
  /** The file's own bytes when it is a JPEG. */
  readonly jpeg: Uint8Array;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

function unusable(path: string, why: string, cause?: unknown): BridgeError {
  return new BridgeError('OPTION_INVALID', `The image ${path} cannot be used: ${why}.`, {
    context: { path },
    cause,
  });
}

/**
 * Reads an image. A JPEG stays what it is, byte for byte; other formats are converted. OPTION_INVALID when the file
 * cannot be read or is no whole image.
 */
export async function readPicture(path: string): Promise<PictureFile> {
  const bytes = await readFile(path).catch((cause: NodeJS.ErrnoException) => {
    throw unusable(path, readProblem(cause), cause);
  });
  const check = checkJpeg(bytes);
  if ('header' in check) return { path, jpeg: bytes, width: check.header.width, height: check.header.height };
  if (bytes[0] === 0xff && bytes[1] === 0xd8) throw unusable(path, `as a JPEG it ${check.problem}`);
  const { default: sharp } = await import('sharp');
  try {
    const { data, info } = await sharp(bytes)
      .flatten({ background: '#fff' })
      .jpeg({ quality: QUALITY })
      .toBuffer({ resolveWithObject: true });
    return { path, jpeg: data, width: info.width, height: info.height };
  } catch (cause) {
    throw unusable(path, 'it is no image in a known format', cause);
  }
}

/** Files as they are, directories as the images in them, by name. OPTION_INVALID when nothing comes of a path. */
export async function expandPicturePaths(paths: readonly string[]): Promise<string[]> {
  const found = await Promise.all(
    paths.map(async (path) => {
      const isDirectory = await stat(path).then(
        (entry) => entry.isDirectory(),
        () => false,
      );
      if (!isDirectory) return [path];
      const names = (await readdir(path)).filter((name) => PICTURE_NAME.test(name) && !name.startsWith('.'));
      if (names.length === 0) throw unusable(path, 'the directory holds no images');
      return names.sort().map((name) => join(path, name));
    }),
  );
  return found.flat();
}
