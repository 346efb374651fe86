/** `openmv-bridge snapshot FILE`: one frame. */
import { extname } from 'node:path';
import type { Command } from 'commander';
import { firstValueFrom } from 'rxjs';
import { openBridge } from '../../bridge/index.js';
import { BridgeError } from '../../errors.js';
import { writeWhole } from '../../files.js';
import { milliseconds } from '../../options/index.js';
import { cameraFlags, withOutput } from '../command.js';

/** Names of stdout: opening it by one of them would truncate the file that stdout was redirected to. */
const STDOUT = ['-', '/dev/stdout', '/dev/fd/1', '/proc/self/fd/1'];

/** By the end of a name: what sharp makes of the JPEG. */
const CONVERTED: Readonly<Record<string, 'png' | 'webp' | 'tiff' | 'avif'>> = {
  '.png': 'png',
  '.webp': 'webp',
  '.tif': 'tiff',
  '.tiff': 'tiff',
  '.avif': 'avif',
};
/** A name that ends so asks for what is not made here. */
const OTHER_PICTURE = /^\.(bmp|gif|heic|heif|jp2|jxl|p[bgnp]m|pdf|raw|svg|tga)$/;

export function configure(command: Command): void {
  command.argument('<file>', 'where to: .jpg, .png, .webp, .tiff or .avif; or - for stdout');
  const given = cameraFlags(command, {
    timeoutMs: milliseconds.default(20_000).meta({
      flag: '--timeout TIME',
      group: 'Options',
      description: 'longest wait for the frame',
      unit: 's',
    }),
  });
  command.action((file: string) =>
    withOutput(false, async (output) => {
      const { camera, own } = given();
      const timeout = own.timeoutMs;
      const kind = extname(file).toLowerCase();
      refuseFile(file, kind);
      const bridge = await openBridge({ ...camera, shm: false, frames: 1 });
      const timer = setTimeout(() => void bridge.close(), timeout);
      try {
        const frame = await firstValueFrom(bridge.frames$).catch((cause: unknown) => {
          // What ended the bridge says more than that no frame came.
          if (cause instanceof BridgeError) throw cause;
          const old = bridge.stats().droppedByReason.stale
            ? ' The picture that it had taken before was let go: it was not one of now.'
            : '';
          throw new BridgeError('CAMERA_SILENT', `No frame came within ${timeout / 1_000} s.${old}`, {
            cause,
          });
        });
        if (STDOUT.includes(file)) process.stdout.write(frame.jpeg);
        else {
          const picture = await encoded(frame.jpeg, kind);
          await writeWhole('The snapshot cannot be written', file, picture, frame.takenAtMs);
          output.log('info', `${file}: ${frame.width} x ${frame.height}, ${frame.bytes} bytes`);
        }
      } finally {
        clearTimeout(timer);
        await bridge.close();
      }
      return undefined;
    }),
  );
}

/** OPTION_INVALID before the camera is asked for anything. */
function refuseFile(file: string, kind: string): void {
  if (STDOUT.includes(file) && process.stdout.isTTY) {
    throw new BridgeError(
      'OPTION_INVALID',
      'A JPEG is nothing for a terminal: name a file, or send stdout to one, as in: snapshot - > frame.jpg',
    );
  }
  if (OTHER_PICTURE.test(kind)) {
    const kinds = ['.jpg', ...Object.keys(CONVERTED)].join(', ');
    throw new BridgeError(
      'OPTION_INVALID',
      `A snapshot is ${kinds}, not ${kind}: give ${file} another ending.`,
    );
  }
}

async function encoded(jpeg: Uint8Array, kind: string): Promise<Uint8Array> {
  const format = CONVERTED[kind];
  if (format === undefined) return jpeg;
  const { default: sharp } = await import('sharp');
  return sharp(jpeg).toFormat(format).toBuffer();
}
