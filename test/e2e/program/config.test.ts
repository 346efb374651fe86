/** A configuration file describes a whole run: cameras, scripts, names, algorithms, control. */
import { spawnSync } from 'node:child_process';
import { copyFile, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { MAIN, Program, run } from './program.js';
import { EXAMPLE_PYTHON, leftovers, segmentName, useScratch } from './support.js';

const scratch = useScratch();
const SCRIPT = fileURLToPath(new URL('../../../firmware/frame_channel.py', import.meta.url));

async function config(value: unknown): Promise<string> {
  const path = scratch.path('config.json');
  await writeFile(path, typeof value === 'string' ? value : JSON.stringify(value));
  return path;
}

it('several cameras, each with its name, script, stores, algorithm and files', async () => {
  const [left, right] = [segmentName(), segmentName()];
  const script = scratch.path('left.py');
  await copyFile(SCRIPT, script);
  const control = scratch.path('control.sock');
  const path = await config({
    $schema: './tools/config.schema.json',
    json: true,
    control,
    frames: 8,
    cameras: [
      { port: 'virtual', cameraId: 'left', script, shmName: left, runner: ['python3', EXAMPLE_PYTHON] },
      { port: 'virtual', cameraId: 'right', shmName: right, save: scratch.path('right'), frames: 5 },
    ],
  });
  const program = new Program(['--config', path]);
  await program.line((line) => line.type === 'frame');
  expect((await program.ended).status, program.stderr).toBe(0);
  const count = (type: string, cameraId: string): number =>
    program.of(type).filter((line) => line['cameraId'] === cameraId).length;
  expect([count('frame', 'left'), count('frame', 'right')]).toEqual([8, 5]);
  expect(count('result', 'left')).toBeGreaterThan(0);
  expect(count('result', 'right')).toBe(0);
  expect((await readdir(scratch.path('right'))).length).toBe(5);
  expect(program.of('frame').find((line) => line['cameraId'] === 'right')?.['sharedMemId']).toBe(right);
  expect([...leftovers(left, program.pid), ...leftovers(right)]).toEqual([]);
});

it('--print-config prints what flags and file come to, as a file that says the same', async () => {
  const path = await config({
    stats: 'off',
    ring: 'one',
    cameras: [
      { port: 'virtual', cameraId: 'a' },
      { port: 'virtual', cameraId: 'b', shmName: '/own' },
    ],
  });
  const print = (...args: string[]) =>
    spawnSync(process.execPath, [MAIN, ...args, '--print-config'], { encoding: 'utf8' });
  const first = print('--config', path, '--workers', '2', '--runner', 'python3 x.py');
  expect(first.status, first.stderr).toBe(0);
  const printed = JSON.parse(first.stdout);
  expect(printed).toMatchObject({
    stats: 'off',
    cameras: [
      { cameraId: 'a', shmName: '/openmv_frame', ring: 'one', workers: 2, runner: 'python3 x.py' },
      { cameraId: 'b', shmName: '/own', ring: 'one_2', workers: 2, virtual: { id: 2 } },
    ],
  });
  const again = print('--config', await config(first.stdout));
  expect(again.status, again.stderr).toBe(0);
  expect(JSON.parse(again.stdout)).toEqual(printed);
  // The schema that it names is there.
  expect(JSON.parse(await readFile(printed.$schema, 'utf8'))).toHaveProperty('properties.cameras');
});

describe('what is wrong with a file is said with its name and key', () => {
  it.each<[unknown, RegExp]>([
    [{ cameras: [{ port: 'virtual' }, { workers: 99 }] }, /cameras\.1\.workers: must be at most 32/],
    [{ virtual: { fps: 'soon' } }, /virtual\.fps/],
    [{ shmFormat: 'png' }, /shmFormat: must be one of mjpg/],
    [{ cameras: [{ port: '/dev/a' }, { port: '/dev/a' }] }, /twice/],
    [{ cameras: [{ cameraId: 'a' }, { port: 'virtual', cameraId: 'a' }] }, /2 cameras/],
    ['{"port": ', /config\.json cannot be used: .*JSON/],
  ])('%j', async (value, message) => {
    const { status, stderr } = await run(['--config', await config(value)]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it('a file that is not there', async () => {
    const { status, stderr } = await run(['--config', join(scratch.path('nowhere'), 'c.json')]);
    expect(stderr).toMatch(/nowhere\/c\.json cannot be used: there is no such file/);
    expect(status).toBe(2);
  });
});

it('a serial number that no camera has: 3, and which there are', async () => {
  const { status, stderr } = await run(['--port', 'serial:NOBODY', '--no-shm']);
  expect(stderr).toMatch(/No camera has the serial number NOBODY\. (No camera is plugged in\.|There are: )/);
  expect(status).toBe(3);
});
