/** `bench`: figures of a camera that is connected. */
import { existsSync, readdirSync } from 'node:fs';
import { describe, expect, it, vi } from 'vitest';
import { openPty } from '../../../src/virtual/line/pty.js';
import { Program, run } from './program.js';

const CAMERA = ['--port', 'virtual', '--virtual-fps', '100'];

describe('bench', () => {
  it('measures frames, latencies, requests and processor time, and leaves nothing behind', async () => {
    const { status, stdout, stderr } = await run(['bench', ...CAMERA, '--duration', '1s', '--json']);
    expect(status, stderr).toBe(0);
    const measured = JSON.parse(stdout);
    expect(measured).toMatchObject({ type: 'bench', cameras: 1, resyncs: 0 });
    expect(measured.captureToPublishedMs.p50).toBeGreaterThan(0);
    expect(measured.frames).toBeGreaterThan(1);
    expect(measured.framesPerSecond).toBeCloseTo(measured.frames / measured.seconds, 6);
    expect(measured.bytesPerSecond).toBeGreaterThan(measured.framesPerSecond * 1_000);
    expect(measured.requestsPerFrame).toBeGreaterThan(0.5);
    for (const name of ['intervalMs', 'announcedToPublishedMs', 'completeToPublishedMs']) {
      const { p50, p99, p999, max } = measured[name];
      expect([p50, p99, p999, max]).toEqual([p50, p99, p999, max].sort((a, b) => a - b));
      expect(p50).toBeGreaterThan(0);
    }
    for (const name of ['cpuMsPerFrame', 'cpuShare', 'busyMsPerFrame', 'frameBytes'])
      expect(measured[name], name).toBeGreaterThan(0);
    expect(readdirSync('/dev/shm').filter((name) => name.startsWith('openmv_bench'))).toEqual([]);
  });

  it('measures several cameras at once, without shared memory when asked', async () => {
    const words = ['bench', ...CAMERA, '--port', 'virtual', '--no-shm', '--duration', '1s', '--json'];
    const { status, stdout, stderr } = await run(words);
    expect(status, stderr).toBe(0);
    const measured = JSON.parse(stdout);
    expect(measured.cameras).toBe(2);
    for (const rate of measured.framesPerSecondEach) expect(rate).toBeGreaterThan(1);
  });

  it('tells people', async () => {
    const { status, stdout } = await run(['bench', ...CAMERA, '--duration', '1s']);
    expect(status).toBe(0);
    for (const word of ['frames/s', 'requests', 'resyncs', '% of a core', 'p99.9'])
      expect(stdout).toContain(word);
  });

  it('ends with what it has when it is stopped', async () => {
    const program = new Program(['bench', ...CAMERA, '--duration', '1h', '--json']);
    const connected = () => existsSync(`/dev/shm/openmv_bench_${program.pid}`);
    await vi.waitFor(() => expect(connected()).toBe(true), 30_000);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    program.kill('SIGINT');
    const { status, stdout } = await program.ended;
    expect(status).toBe(0);
    const { type, seconds, frames } = JSON.parse(stdout);
    expect({ type, early: seconds < 3_000, counted: frames >= 0 }).toEqual({
      type: 'bench',
      early: true,
      counted: true,
    });
    expect(connected()).toBe(false);
  });

  it('ends without a word when it is stopped before a camera has answered', async () => {
    const pty = await openPty();
    try {
      const program = new Program(['bench', '--port', pty.slavePath, '--duration', '1s', '--json']);
      await new Promise<void>((resolve) => pty.onData(() => resolve()));
      program.kill('SIGINT');
      expect(await program.ended).toMatchObject({ status: 0, stdout: '' });
    } finally {
      await pty.close();
    }
  });

  it('says that there is no camera', async () => {
    const { status, stderr } = await run(['bench', '--port', '/dev/does-not-exist', '--duration', '1s']);
    expect(status).toBe(3);
    expect(stderr).toContain('PORT_NOT_FOUND');
  });
});
