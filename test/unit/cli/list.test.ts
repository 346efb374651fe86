/** `list` and `list --all` on a made-up sysfs. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { portsToList } from '../../../src/cli/commands/list.js';
import { findCamera } from '../../../src/port/index.js';

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
