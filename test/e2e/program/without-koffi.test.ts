/** A machine where the package koffi does not load: all that needs no shared memory works, and nothing asks for it in vain. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { Program, run } from './program.js';

const HOOK = fileURLToPath(new URL('no-koffi.mjs', import.meta.url));
const LIBRARY = fileURLToPath(new URL('../../../dist/index.js', import.meta.url));
const ASKED = 'koffi is asked for';
const env = { ...process.env, NODE_OPTIONS: `--import=${HOOK}` };

function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'openmv-koffi-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test.each([['--version'], ['--help'], ['run --help'], ['list']])('%s asks for no koffi', async (args) => {
  const { status, stderr } = await run(args.split(' '), { env });
  expect({ status, asked: stderr.includes(ASKED) }).toEqual({ status: 0, asked: false });
});

test('neither does ctl, nor importing the library', async () => {
  const { stderr } = await run(['ctl', '--socket', join(temporary(), 'none.sock'), 'status'], { env });
  expect(stderr).not.toContain(ASKED);
  expect(stderr).not.toBe('');
  const imported = spawnSync(process.execPath, ['--input-type=module', '-e', `await import('${LIBRARY}')`], {
    env,
    encoding: 'utf8',
  });
  expect([imported.status, imported.stderr]).toEqual([0, '']);
});

test('frames of a camera on a serial port come, and shared memory is said to be missing', {
  timeout: 60_000,
}, async () => {
  const link = join(temporary(), 'camera');
  const camera = new Program(['virtual', '--link', link]);
  onTestFinished(() => camera.kill('SIGKILL'));
  await expect.poll(() => camera.stdout + camera.stderr, { timeout: 20_000 }).toContain(link);
  const { status, stdout, stderr } = await run(['--port', link, '--frames', '3', '--json'], { env });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; code?: string });
  expect(lines.filter(({ type }) => type === 'frame')).toHaveLength(3);
  expect(lines.filter(({ type }) => type === 'error').map(({ code }) => code)).toEqual(['UNSUPPORTED']);
});

test('what cannot do without says so with a code', async () => {
  const { status, stderr } = await run(['virtual', '--link', join(temporary(), 'camera')], { env });
  expect(status).not.toBe(0);
  expect(stderr).toContain('the package koffi cannot be loaded');
});
