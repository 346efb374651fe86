import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findLineKind, lineKind } from '../../../src/port/discovery.js';
import {
  BOARDS,
  boardOf,
  describePort,
  findCamera,
  listCameras,
  listPorts,
} from '../../../src/port/index.js';
import { failure } from '../../e2e/port/helpers.js';

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sysfs-'));
  mkdirSync(join(root, 'sys/class/tty'), { recursive: true });
  mkdirSync(join(root, 'dev/serial/by-id'), { recursive: true });
});

afterEach(() => rmSync(root, { recursive: true }));

const options = () =>
  ({ sysRoot: join(root, 'sys'), devRoot: join(root, 'dev'), platform: 'linux' }) as const;

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

interface Plug {
  name: string;
  vid: string;
  pid: string;
  serial?: string;
  manufacturer?: string;
  byId?: string;
  node?: boolean;
}

/** A USB serial device as Linux lays it out: a device, its interface, and for adapters a port below that. */
function plug({ name, vid, pid, serial, manufacturer, byId, node = true }: Plug): void {
  const device = `sys/devices/pci0000:00/usb1/1-${name}`;
  const owner = name.startsWith('ttyUSB') ? `${device}/1-1:1.0/${name}` : `${device}/1-1:1.0`;
  put(`${device}/idVendor`, `${vid}\n`);
  put(`${device}/idProduct`, `${pid}\n`);
  if (serial !== undefined) put(`${device}/serial`, `${serial}\n`);
  if (manufacturer !== undefined) put(`${device}/manufacturer`, `${manufacturer}\n`);
  put(`${owner}/tty/${name}/dev`, '166:0\n');
  symlinkSync(join(root, owner), join(root, owner, 'tty', name, 'device'));
  symlinkSync(join(root, owner, 'tty', name), join(root, 'sys/class/tty', name));
  if (node) put(`dev/${name}`, '');
  if (byId !== undefined) symlinkSync(join(root, 'dev', name), join(root, 'dev/serial/by-id', byId));
}

/** A port of the 8250 driver; without hardware its type is 0. */
function legacyPort(name: string, type: string): void {
  const folder = `sys/devices/platform/serial8250/tty/${name}`;
  put(`${folder}/type`, `${type}\n`);
  symlinkSync(join(root, 'sys/devices/platform/serial8250'), join(root, folder, 'device'));
  symlinkSync(join(root, folder), join(root, 'sys/class/tty', name));
  put(`dev/${name}`, '');
}

describe('the list of cameras', () => {
  it('tells everything about one', async () => {
    plug({
      name: 'ttyACM0',
      vid: '37c5',
      pid: '1206',
      serial: '3144A1B2',
      manufacturer: 'OpenMV, LLC',
      byId: 'usb-OpenMV_OpenMV_Cam_3144A1B2-if00',
    });
    expect(await listCameras(options())).toEqual([
      {
        path: join(root, 'dev/ttyACM0'),
        byId: join(root, 'dev/serial/by-id/usb-OpenMV_OpenMV_Cam_3144A1B2-if00'),
        board: 'OpenMV Cam N6',
        usbVendorId: 0x37c5,
        usbProductId: 0x1206,
        serialNumber: '3144A1B2',
        manufacturer: 'OpenMV, LLC',
        isCamera: true,
      },
    ]);
  });

  it('leaves other ports out, which the list of ports has, in the order of their numbers', async () => {
    plug({ name: 'ttyACM10', vid: '2341', pid: '045f' });
    plug({ name: 'ttyACM2', vid: '37C5', pid: 'ffff' });
    plug({ name: 'ttyUSB0', vid: '0403', pid: '6001', serial: 'A5069RR4' });
    legacyPort('ttyS0', '4');
    legacyPort('ttyS1', '0');
    mkdirSync(join(root, 'sys/class/tty/tty0'));
    const dev = (name: string) => join(root, 'dev', name);
    expect((await listPorts(options())).map((port) => port.path)).toEqual(
      ['ttyACM2', 'ttyACM10', 'ttyS0', 'ttyUSB0'].map(dev),
    );
    expect((await listCameras(options())).map((port) => [port.path, port.board])).toEqual([
      [dev('ttyACM2'), 'OpenMV Cam'],
      [dev('ttyACM10'), 'Arduino Nicla Vision'],
    ]);
    const adapter = (await listPorts(options())).find((port) => port.path === dev('ttyUSB0'));
    expect(adapter).toMatchObject({ usbVendorId: 0x0403, serialNumber: 'A5069RR4', isCamera: false });
  });

  it('is empty where there is nothing, not even sysfs', async () => {
    expect(await listPorts(options())).toEqual([]);
    expect(
      await listPorts({ sysRoot: join(root, 'no'), devRoot: join(root, 'no'), platform: 'linux' }),
    ).toEqual([]);
  });

  it('survives attributes that make no sense', async () => {
    plug({ name: 'ttyACM0', vid: 'zzzz', pid: '1206' });
    expect(await listPorts(options())).toEqual([{ path: join(root, 'dev/ttyACM0'), isCamera: false }]);
  });

  it('can be asked of this machine', async () => {
    for (const port of await listPorts()) expect(port.path).toMatch(/^(\/dev\/|COM)/);
  });
});

describe('finding the camera', () => {
  it('takes the only one', async () => {
    plug({ name: 'ttyACM3', vid: '1209', pid: 'abd1' });
    plug({ name: 'ttyUSB0', vid: '0403', pid: '6001' });
    expect(await findCamera(options())).toMatchObject({
      path: join(root, 'dev/ttyACM3'),
      board: 'OpenMV Cam (older firmware)',
    });
  });

  it('says what to check when there is none, and what else is there', async () => {
    plug({ name: 'ttyUSB0', vid: '0403', pid: '6001' });
    const { message } = await failure(findCamera(options()), 'PORT_NOT_FOUND');
    for (const hint of ['cable', 'udev', '"virtual"', 'ttyUSB0 (0403:6001)']) expect(message).toContain(hint);
  });

  it('says so when the camera is plugged in but its device node is missing', async () => {
    plug({ name: 'ttyACM0', vid: '37c5', pid: '1204', node: false });
    const { message } = await failure(findCamera(options()), 'PORT_NOT_FOUND');
    expect(message).toContain('OpenMV Cam H7');
    expect(message).toContain(`--device ${join(root, 'dev/ttyACM0')}`);
  });

  it('lists them when there are several', async () => {
    plug({ name: 'ttyACM0', vid: '37c5', pid: '1204', serial: 'AAA', byId: 'usb-AAA' });
    plug({ name: 'ttyACM1', vid: '37c5', pid: '1206', serial: 'BBB' });
    const { message, context } = await failure(findCamera(options()), 'OPTION_INVALID');
    expect(message).toContain('2 cameras');
    expect(context['ports']).toEqual([join(root, 'dev/serial/by-id/usb-AAA'), join(root, 'dev/ttyACM1')]);
    for (const hint of ['usb-AAA', 'serial AAA', 'ttyACM1', 'serial BBB']) expect(message).toContain(hint);
  });
});

describe('boards and lines', () => {
  it('knows each board once', () => {
    const ids = BOARDS.map((board) => `${board.usbVendorId}:${board.usbProductId}`);
    expect(new Set(ids).size).toBe(BOARDS.length);
    expect(boardOf(0x37c5, 0x1204)).toMatchObject({ maxPayload: 498, usbSpeed: 'full' });
    expect(boardOf(0x37c5, 0x16e3)).toMatchObject({ maxPayload: 8178, usbSpeed: 'high' });
    expect(boardOf(0x2341, 0x0043)).toBeUndefined();
    expect(boardOf(undefined, 0x1204)).toBeUndefined();
    expect(describePort({ path: 'COM3', isCamera: false })).toBe('COM3');
  });

  it.each([
    ['/dev/pts/5', undefined, 'pty'],
    ['/dev/ttys003', undefined, 'pty'],
    ['/dev/ttyACM0', undefined, 'usb'],
    ['/dev/cu.usbmodem3144', undefined, 'usb'],
    ['/dev/ttyUSB0', undefined, 'uart'],
    ['/dev/ttyS0', undefined, 'uart'],
    ['/dev/ttyAMA0', undefined, 'uart'],
    ['COM3', undefined, 'uart'],
    ['COM3', [0x37c5, 0x1206], 'usb'],
    ['/dev/ttyACM0', [0x2341, 0x045b], 'usb'],
    ['/dev/ttyACM0', [0x0483, 0x374b], 'uart'],
  ] as const)('takes %s with the identity %j for %s', (device, ids, kind) => {
    const identity = ids && { usbVendorId: ids[0], usbProductId: ids[1] };
    expect(identity ? lineKind(device, identity) : lineKind(device)).toBe(kind);
  });

  it("asks the system for a device's identity", async () => {
    plug({ name: 'ttyACM0', vid: '0483', pid: '374b' });
    plug({ name: 'ttyACM1', vid: '37c5', pid: '1206' });
    const roots = { sysRoot: join(root, 'sys'), devRoot: join(root, 'dev') };
    expect(await findLineKind('/dev/ttyACM0', roots)).toBe('uart');
    expect(await findLineKind('/dev/ttyACM1', roots)).toBe('usb');
    expect(await findLineKind('/dev/ttyACM2', roots)).toBe('usb');
  });
});
