/** A reader for kills.mjs, with the output of tools/readers/example.py. Usage: kill-reader.mjs NAME */
import { crc32 } from 'crc';
import { waitForShm } from '../../dist/index.js';

const shm = await waitForShm(process.argv[2], { timeoutMs: 10_000 });
for await (const { sequence, width, height, jpeg } of shm.frames()) {
  const crc = (crc32(jpeg) >>> 0).toString(16).padStart(8, '0');
  console.log(`${sequence} MJPG ${width}x${height} ${jpeg.length} crc32=${crc}`);
}
