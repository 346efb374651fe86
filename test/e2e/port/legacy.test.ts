/** Cameras with firmware before 5: recognised, named, and asked for nothing but their version. */
import { afterEach, describe, expect, it } from 'vitest';
import { portText } from '../../../src/cli/commands/list.js';
import { openSerialPort, probeCamera } from '../../../src/port/index.js';
import { legacyFirmware } from '../../../src/port/legacy.js';
import { LegacyCamera } from '../../fakes/legacy-camera.js';
import { run } from '../program/program.js';
import { FakeStream, failure } from './helpers.js';

const VERSION_REQUEST = '30800c000000';

let camera: LegacyCamera | undefined;

afterEach(async () => {
  await camera?.close();
  camera = undefined;
});

describe('a camera with firmware 4.5.9', () => {
  it('is told from others by its version, time and again', async () => {
    camera = await LegacyCamera.open([4, 5, 9]);
    for (let time = 1; time <= 2; time++) {
      const probing = probeCamera(await openSerialPort({ path: camera.path }));
      const error = await failure(probing, 'FIRMWARE_TOO_OLD');
      expect(error.message).toMatch(/firmware 4\.5\.9.*5\.0.*OpenMV IDE.*update/s);
      expect(error.context).toEqual({ path: camera.path, firmware: '4.5.9' });
      expect(camera.requests).toEqual(Array.from({ length: time }, () => VERSION_REQUEST));
    }
  });

  it.each([['info'], ['run']])('%s names the firmware and ends with 4', async (command) => {
    camera = await LegacyCamera.open([4, 5, 9]);
    const { status, stderr } = await run([command, '--port', camera.path]);
    expect([status, stderr]).toEqual([
      4,
      expect.stringMatching(/firmware 4\.5\.9.*OpenMV IDE.*FIRMWARE_TOO_OLD/s),
    ]);
    expect(camera.requests).toEqual([VERSION_REQUEST]);
  });
});

describe('what is no such camera', () => {
  it.each([
    ['other text', Buffer.from('ERR unknown command\r\n')],
    ['twelve bytes that are no version', Buffer.from('unknown cmd\n')],
    ['zeros', Buffer.alloc(12)],
  ])('keeps its error: %s', async (_what, answer) => {
    const line = new FakeStream();
    line.onWrite = () => line.send(answer);
    await failure(probeCamera(line, { attemptMs: 60, quietMs: 5, busyMs: 400 }), 'NOT_A_CAMERA');
  });

  it.each([
    ['an echo', (sent: Buffer) => sent],
    ['a prompt', () => Buffer.from('>>> ')],
    ['packets', () => Buffer.from('aad503050126000030fd', 'hex')],
  ])('is not asked for a version: %s', async (_what, answer) => {
    const line = new FakeStream();
    line.onWrite = (sent) => line.send(answer(sent));
    await probeCamera(line, { attemptMs: 60, quietMs: 5, busyMs: 400 }).catch(() => undefined);
    expect(line.written.map((bytes) => bytes.toString('hex'))).not.toContain(VERSION_REQUEST);
  });
});

it('reads a version from exactly twelve bytes', () => {
  const reply = Buffer.from('040000000800000001000000', 'hex');
  expect(legacyFirmware(reply)).toBe('4.8.1');
  expect(legacyFirmware(reply.subarray(1))).toBeUndefined();
  expect(legacyFirmware(Buffer.concat([reply, reply]))).toBeUndefined();
});

it('is a line of list', () => {
  const port = { path: '/dev/ttyACM0', board: 'OpenMV Cam H7', isCamera: true, firmware: '4.5.9' };
  expect(portText(port)).toBe(
    '/dev/ttyACM0  OpenMV Cam H7  firmware 4.5.9 is too old: connect it in OpenMV IDE, which offers the update to 5.x',
  );
});
