/** What `npm pack` ships: types, the command, and nothing that leads to a file that is not there. */
import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { makeProject, type Project } from './installed.js';

const run = promisify(execFile);

const PROGRAM = `
import { annotatePicture, connectCamera, listCameras, openBridge, openShm, type Frame } from 'openmv-bridge';
import { defineAlgorithm } from 'openmv-bridge/algorithm';
import { StreamDecoder } from 'openmv-bridge/protocol';
import { AlgorithmRunner } from 'openmv-bridge/runner';
import { openRingWriter } from 'openmv-bridge/shm';
import { openVirtualCamera } from 'openmv-bridge/virtual';

console.log(StreamDecoder.name, AlgorithmRunner.name, openRingWriter.name, openVirtualCamera.name);
const bridge = await openBridge({ port: 'virtual' });
bridge.frames$.subscribe((frame: Frame) => frame.jpeg.length.toFixed());
bridge.results$.subscribe((result) => result.cameraId.trim());
await bridge.close();
const [found] = await listCameras();
const camera = await connectCamera({ port: found!.path });
await camera.close();
for await (const frame of openShm('/openmv_frame').frames()) {
  await annotatePicture(frame.data, { outcome: 'ok', defectRects: [] });
}
defineAlgorithm({
  execute: ({ image }) => ({ resultStatus: image.jpeg().length > 0 ? 'OK' : 'NG' }),
});
`;

let project: Project;
beforeAll(async () => {
  project = await makeProject();
});

it('has types for a program that brings none of its own', async () => {
  writeFileSync(join(project.folder, 'program.mts'), PROGRAM);
  expect(await project.compile()).toBe('');
});

it('has all that the command needs', async () => {
  const main = join(project.installed, 'dist/cli/main.js');
  const args = ['--port', 'virtual', '--frames', '3', '--no-shm', '--json'];
  const { stdout } = await run(process.execPath, [main, ...args], { cwd: project.folder });
  expect(stdout.match(/"type":"frame"/g)).toHaveLength(3);
});

it('names no file that it lacks: imports, source maps, what package.json leads to', () => {
  const { installed } = project;
  const dist = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
  const lacking = dist
    .filter((name) => /\.(js|d\.ts)$/.test(name))
    .flatMap((name) => {
      const file = join(installed, 'dist', name);
      const text = readFileSync(file, 'utf8');
      const imports = [...text.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(([, to]) => to!);
      const maps = [...text.matchAll(/^\/\/# sourceMappingURL=(\S+)$/gm)].map(([, to]) => to!);
      return [...imports, ...maps].map((to) => resolve(dirname(file), to)).filter((to) => !existsSync(to));
    });
  expect(lacking).toEqual([]);
  const { bin, exports } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    bin: Record<string, string>;
    exports: Record<string, string | Record<string, string>>;
  };
  const entries = [bin, ...Object.values(exports)].flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  );
  expect(entries.filter((entry) => !existsSync(join(installed, entry)))).toEqual([]);
});
