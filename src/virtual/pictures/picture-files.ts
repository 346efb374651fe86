/** A directory of pictures that the virtual camera sees one after the other. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { BridgeError } from '../../errors.js';
import { readProblem } from '../../files.js';

const PICTURE = /\.(?:jpe?g|jpe|png|webp|gif|tiff?|avif|heif|svg|jp2|jxl|bmp|ppm|pgm)$/i;

/**
 * Paths of the pictures in a directory, in the order of their names (`2.jpg` before `10.jpg`). FILE_FAILED when
 * the directory cannot be read, has no pictures, or its first picture is of a kind that cannot be decoded.
 */
export async function findPictures(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((cause: unknown) => {
    throw failed(
      `The directory of pictures ${directory} cannot be read: ${readProblem(cause)}.`,
      directory,
      cause,
    );
  });
  const names = entries
    .filter((entry) => !entry.isDirectory() && PICTURE.test(entry.name))
    .map((entry) => entry.name)
    .sort(new Intl.Collator('en', { numeric: true }).compare);
  const paths = names.map((name) => join(directory, name));
  const [first] = paths;
  if (first === undefined) {
    throw failed(
      `The directory ${directory} has no pictures: put JPEG, PNG, WebP or TIFF files into it.`,
      directory,
    );
  }
  await sharp(first)
    .metadata()
    .catch((cause: unknown) => {
      throw failed(`The picture ${first} cannot be decoded: ${String(cause)}.`, first, cause);
    });
  return paths;
}

function failed(message: string, path: string, cause?: unknown): BridgeError {
  return new BridgeError('FILE_FAILED', message, {
    context: { path },
    ...(cause !== undefined && { cause }),
  });
}
