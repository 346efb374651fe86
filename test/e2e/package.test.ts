/** The package as a program that depends on it has it: what `npm pack` ships, and its dependencies. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');
const folder = mkdtempSync(join(tmpdir(), 'openmv-package-'));
const installed = join(folder, 'node_modules/openmv-bridge');

const PROGRAM = `
import { annotatePicture, connectCamera, listCameras, openBridge, openShm, type Frame } from 'openmv-bridge';
import { defineAlgorithm } from 'openmv-bridge/algorithm';

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

beforeAll(async () => {
  const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: ROOT });
  const [packed] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  for (const { path } of packed.files) cpSync(join(ROOT, path), join(installed, path));
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    const place = join(installed, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), place);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

it('has types for a program that brings none of its own', async () => {
  writeFileSync(join(folder, 'program.mts'), PROGRAM);
  const options = { strict: true, module: 'nodenext', types: [], skipLibCheck: false, noEmit: true };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions: options }));
  const compiled = await run(process.execPath, [TSC, '-p', folder]).catch(
    (error: { stdout: string }) => error,
  );
  expect(compiled.stdout).toBe('');
});

it('has all that the command needs', async () => {
  const main = join(installed, 'dist/cli/main.js');
  const args = ['--port', 'virtual', '--frames', '3', '--no-shm', '--json'];
  const { stdout } = await run(process.execPath, [main, ...args], { cwd: folder });
  expect(stdout.match(/"type":"frame"/g)).toHaveLength(3);
});
