/** From a camera's frame to files, shared memory and JSON lines; on a real camera when OPENMV_PORT is set. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Program, run } from './program.js';
import {
  expectCaptured,
  expectSaved,
  expectSequence,
  leftovers,
  ON_HARDWARE,
  PORT,
  readLedger,
  segmentName,
  useScratch,
} from './support.js';

const scratch = useScratch();
const HARDWARE = 'there is no ledger of a real camera';

describe(`frames of ${PORT}`, () => {
  it('100 of them are numbered without gap, saved byte for byte, and nothing is left behind', async (context) => {
    const shm = segmentName();
    const save = scratch.path('hundred');
    const ledger = scratch.path('hundred.jsonl');
    const program = new Program([
      ...['--port', PORT, '--frames', '100', '--save', save, '--json', '--shm-name', shm],
      ...(ON_HARDWARE ? [] : ['--virtual-ledger', ledger]),
    ]);
    const { status, stderr } = await program.ended;
    expect(stderr).not.toMatch(/error/i);
    expect(status).toBe(0);
    const frames = program.of('frame');
    expectSequence(frames, 100);
    await expectSaved(save, frames);
    expect(program.lines[0]).toMatchObject({ type: 'start', schema: 1 });
    expect(program.lines[1]).toMatchObject({
      type: 'connected',
      port: PORT,
      cameraId: frames[0]!['cameraId'],
      protocolVersion: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      firmwareVersion: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      maxPayload: expect.any(Number),
      ack: false,
    });
    expect(frames[0]).toEqual({
      type: 'frame',
      cameraId: expect.stringMatching(/^[0-9a-f]{24}$/),
      sequence: 1,
      width: 320,
      height: 240,
      bytes: expect.any(Number),
      crc32: expect.stringMatching(/^[0-9a-f]{8}$/),
      timestampMs: expect.any(Number),
      capturedAtMs: expect.any(Number),
      capturedErrorMs: expect.any(Number),
      sharedMemId: shm,
      file: join(save, `${frames[0]!['cameraId']}-00000001.jpg`),
    });
    expect(leftovers(shm, program.pid)).toEqual([]);
    if (ON_HARDWARE) context.skip(HARDWARE);
    expectCaptured(frames, await readLedger(ledger));
  });

  it('--duration ends it, and stats come once a second', async () => {
    const program = new Program(['--port', PORT, '--duration', '2.5', '--json', '--no-shm']);
    expect((await program.ended).status).toBe(0);
    expect(program.of('frame').length).toBeGreaterThan(5);
    expect(program.of('frame')[0]).toMatchObject({ sharedMemId: null });
    const [stats] = program.of('stats');
    expect(stats).toMatchObject({ delivered: expect.any(Number), algorithm: null });
    // A real camera may have had a picture waiting since the host before.
    expect(Object.keys(stats?.['droppedByReason'])).toEqual(ON_HARDWARE ? expect.any(Array) : []);
    expect(program.of('stats').length).toBeGreaterThanOrEqual(2);
  });

  it('people get a live line', async () => {
    const { stdout, stderr, status } = await run(['--port', PORT, '--duration', '2.2', '--no-shm']);
    expect(status).toBe(0);
    expect(stderr).toMatch(/connected to [0-9a-f]{24} on/);
    expect(stdout).toMatch(/frames\/s \| .*MB\/s \| 320x240 .* KB \| delivered \d+ \| dropped 0/);
  });

  it('works with acks on, a small payload, and without checksums', async () => {
    for (const flags of [['--ack', 'on'], ['--max-payload', '498'], ['--no-crc']]) {
      const program = new Program(['--port', PORT, '--frames', '10', '--json', '--no-shm', ...flags]);
      expect((await program.ended).status, flags.join(' ')).toBe(0);
      expectSequence(program.of('frame'), 10);
    }
  });

  it('snapshot saves one JPEG', async () => {
    const path = scratch.path('one.jpg');
    const { status, stderr } = await run(['snapshot', path, '--port', PORT]);
    expect(stderr).toMatch(/320 x 240/);
    expect(status).toBe(0);
    const sharp = (await import('sharp')).default;
    expect(await sharp(path).metadata()).toMatchObject({ format: 'jpeg', width: 320, height: 240 });
  });

  it('info tells who the camera is', async () => {
    const { status, stdout } = await run(['info', '--port', PORT, '--json']);
    expect(status).toBe(0);
    const info = JSON.parse(stdout);
    expect(info).toMatchObject({
      port: PORT,
      versions: { firmware: expect.any(String) },
      scriptRunning: true,
    });
    const names = info.channels.map((channel: { name: string }) => channel.name);
    expect(names).toEqual(expect.arrayContaining(['stdin', 'stdout', 'stream']));
    expect(info.memory.length).toBeGreaterThan(0);
  });
});
