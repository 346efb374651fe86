/**
 * A sensor of 30 frames a second, 10 ms to make a JPEG, a full-speed line: what the bundled script gives, which captures the
 * next frame while one is read, beside the same script told to keep one frame. On the virtual camera.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBridge } from '../../dist/index.js';
import { either, row } from './report.mjs';

const CAMERA = { fps: 30, compressMs: 10, faults: 'throttle=1000000' };
const BUNDLED = new URL('../../firmware/frame_channel.py', import.meta.url);

export default async function sensor() {
  const directory = mkdtempSync(join(tmpdir(), 'openmv-bench-'));
  try {
    const single = join(directory, 'single.py');
    const text = readFileSync(BUNDLED, 'utf8');
    const changed = text
      .replace(/^BUFFERS = .*$/m, 'BUFFERS = 0')
      .replace(/^(sensor\.framesize\(.*)$/m, '$1\nsensor.framebuffers(1)');
    writeFileSync(single, changed);
    await measure('bundled script', {});
    await measure('one frame, one frame buffer', { script: single });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(name, virtual) {
  const bridge = await openBridge({ port: 'virtual', shm: false, virtual: { ...CAMERA, ...virtual } });
  let frames = 0;
  let bytes = 0;
  // The first frames wait for the pictures to be drawn.
  const warm = performance.now() + either(2_500, 500);
  let start = 0;
  for await (const { jpeg } of bridge.frames()) {
    const now = performance.now();
    if (now < warm) continue;
    if (start === 0) {
      start = now;
      continue;
    }
    frames++;
    bytes += jpeg.length;
    if (now - start > either(10_000, 1_000)) break;
  }
  const seconds = (performance.now() - start) / 1_000;
  const { dropped } = bridge.stats();
  await bridge.close();
  const note = `${(bytes / frames / 1_000).toFixed(1)} KB a frame, ${dropped} not delivered`;
  row(`30 frames/s, 10 ms, 1 MB/s: ${name}`, frames / seconds, 'frames/s', note);
}
