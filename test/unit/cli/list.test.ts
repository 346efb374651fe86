/** `list` and `list --all` on a made-up sysfs. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { portsToList } from '../../../src/cli/commands/list.js';
import { findCamera, openSerialPort } from '../../../src/port/index.js';
import { LegacyCamera } from '../../fakes/legacy-camera.js';

const root = mkdtempSync(join(tmpdir(), 'openmv-list-'));
const options = { sysRoot: join(root, 'sys'), devRoot: join(root, 'dev'), platform: 'linux' } as const;

afterAll(() => {
  rmSync(root, { recursive: true });
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function plug(name: string, vendor: string, product: string): void {
  const device = `sys/devices/usb1/1-${name}`;
  put(`${device}/idVendor`, `${vendor}\n`);
  put(`${device}/idProduct`, `${product}\n`);
  put(`${device}/1-1:1.0/tty/${name}/dev`, '166:0\n');
  symlinkSync(join(root, device, '1-1:1.0'), join(root, device, '1-1:1.0/tty', name, 'device'));
  mkdirSync(join(root, 'sys/class/tty'), { recursive: true });
  symlinkSync(join(root, device, '1-1:1.0/tty', name), join(root, 'sys/class/tty', name));
  put(`dev/${name}`, '');
}

it('names cameras only, and with --all every port', async () => {
  plug('ttyACM0', '37c5', '1206');
  plug('ttyACM1', '1d6b', '0104');
  const names = async (all: boolean) => (await portsToList(all, options)).map((port) => port.path);
  expect(await names(false)).toEqual([join(root, 'dev/ttyACM0')]);
  expect(await names(true)).toEqual([join(root, 'dev/ttyACM0'), join(root, 'dev/ttyACM1')]);
});

it('finds a camera by its serial number', async () => {
  plug('ttyACM2', '37c5', '1206');
  put('sys/devices/usb1/1-ttyACM2/serial', '3650E1F0\n');
  const { path } = await findCamera({ ...options, serialNumber: '3650e1f0' });
  expect(path).toBe(join(root, 'dev/ttyACM2'));
  await expect(findCamera({ ...options, serialNumber: 'none' })).rejects.toMatchObject({
    code: 'PORT_NOT_FOUND',
    message: expect.stringMatching(/serial number none\. There are: .*3650E1F0/),
  });
});

it('names firmware that is too old, and leaves a camera alone that a program uses', async () => {
  plug('ttyACM3', '1209', 'abd1');
  const path = join(root, 'dev/ttyACM3');
  rmSync(path);
  const camera = await LegacyCamera.open([4, 5, 9]);
  try {
    symlinkSync(camera.path, path);
    const listed = async () => (await portsToList(false, options)).find((port) => port.path === path);
    expect(await listed()).toMatchObject({ isCamera: true, firmware: '4.5.9' });
    expect(camera.requests).toEqual(['30800c000000']);
    const used = await openSerialPort({ path });
    expect(await listed()).not.toHaveProperty('firmware');
    await used.close();
    expect(camera.requests).toHaveLength(1);
  } finally {
    await camera.close();
  }
});
