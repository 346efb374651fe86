/** A camera that comes back elsewhere, as after unplugging and plugging in: on ptys, with a port list of our own. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Attempts, ReconnectingCamera } from '../../../src/camera/reconnecting-camera.js';
import { cameraOptionsSchema } from '../../../src/options/index.js';
import type { PortInfo } from '../../../src/port/port-info.js';
import { openPty, type PtyMaster } from '../../../src/virtual/line/pty.js';
import { FakeCamera } from '../../fakes/fake-camera.js';

const never = new AbortController().signal;
const attempts = (count: number, failed: Attempts['failed'] = () => undefined, signal = never): Attempts => ({
  attempts: count,
  signal,
  failed,
});

let dir: string;
const keepers: ReconnectingCamera[] = [];
const served: { pty: PtyMaster; fake: FakeCamera }[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'openmv-keeper-'));
});

afterEach(async () => {
  for (const keeper of keepers.splice(0)) await keeper.camera.close();
  for (const { pty, fake } of served.splice(0)) {
    await fake.close();
    await pty.close();
  }
  await rm(dir, { recursive: true });
});

/** A camera behind a pty, under a path that stands for a ttyACM number. */
async function plugIn(name: string): Promise<{ path: string; pull(): Promise<void> }> {
  const path = join(dir, name);
  const pty = await openPty(path);
  const fake = new FakeCamera();
  fake.start({ data: (bytes) => void pty.write(bytes), closed: () => undefined });
  pty.onData((bytes) => fake.write(bytes));
  const entry = { pty, fake };
  served.push(entry);
  return {
    path,
    pull: async () => {
      served.splice(served.indexOf(entry), 1);
      await fake.close();
      pty.hangUp();
      await pty.close();
    },
  };
}

const info = (path: string, serialNumber?: string, byId?: string): PortInfo => ({
  path,
  isCamera: true,
  usbVendorId: 0x37c5,
  usbProductId: 0x1206,
  ...(serialNumber === undefined ? {} : { serialNumber }),
  ...(byId === undefined ? {} : { byId }),
});

async function keep(port: string, list: () => Promise<PortInfo[]>): Promise<ReconnectingCamera> {
  const keeper = new ReconnectingCamera(cameraOptionsSchema.parse({ port }), list);
  await keeper.connect(never);
  keepers.push(keeper);
  return keeper;
}

describe('a camera that comes back', () => {
  it('under another number is known by its USB serial number', async () => {
    const first = await plugIn('ttyACM0');
    let ports = [info(first.path, 'A1')];
    const keeper = await keep(first.path, () => Promise.resolve(ports));
    await first.pull();
    await plugIn('ttyACM0'); // another device has taken the old number
    const back = await plugIn('ttyACM7');
    ports = [info(first.path, 'B2'), info(back.path, 'A1')];
    const camera = await keeper.reconnect(attempts(10));
    expect(camera.info().port).toBe(back.path);
    expect(keeper.camera).toBe(camera);
  });

  it('without a serial number is known by its name under /dev/serial/by-id', async () => {
    const first = await plugIn('ttyACM0');
    let ports = [info(first.path, undefined, 'usb-OpenMV')];
    const keeper = await keep(first.path, () => Promise.resolve(ports));
    await first.pull();
    const back = await plugIn('ttyACM3');
    ports = [info(back.path, undefined, 'usb-OpenMV')];
    expect((await keeper.reconnect(attempts(10))).info().port).toBe(back.path);
  });

  it('without either is looked for where it was, as often as asked', async () => {
    const first = await plugIn('ttyACM0');
    const keeper = await keep(first.path, () => Promise.resolve([]));
    await first.pull();
    const failures: string[] = [];
    const returning = keeper.reconnect(
      attempts(20, (error) => {
        failures.push(error.code);
        if (failures.length === 2) void plugIn('ttyACM0');
      }),
    );
    expect((await returning).info().port).toBe(first.path);
    expect(failures.slice(0, 2)).toEqual(['PORT_NOT_FOUND', 'PORT_NOT_FOUND']);
  });
});

describe('a camera that does not come back', () => {
  it('ends in the last error after the wanted number of attempts', async () => {
    const first = await plugIn('ttyACM0');
    const keeper = await keep(first.path, () => Promise.resolve([]));
    await first.pull();
    let failures = 0;
    const returning = keeper.reconnect(
      attempts(3, () => {
        failures++;
      }),
    );
    await expect(returning).rejects.toMatchObject({ code: 'PORT_NOT_FOUND' });
    expect(failures).toBe(2);
  });

  it('is not waited for once it was told to stop', async () => {
    const first = await plugIn('ttyACM0');
    const keeper = await keep(first.path, () => Promise.resolve([]));
    await first.pull();
    const stop = new AbortController();
    const why = new Error('stopped');
    const returning = keeper.reconnect(attempts(1_000, () => stop.abort(why), stop.signal));
    await expect(returning).rejects.toBe(why);
  });

  it('is not confused with another one on its port', async () => {
    const first = await plugIn('ttyACM0');
    const keeper = await keep(first.path, () => Promise.resolve([]));
    await first.pull();
    await plugIn('ttyACM0');
    served.at(-1)!.fake.deviceId = [1, 2, 3];
    await expect(keeper.reconnect(attempts(2))).rejects.toMatchObject({
      code: 'NOT_A_CAMERA',
      context: { found: [1, 2, 3] },
    });
  });
});
