/** `openmv-bridge reset`: on a virtual camera behind a pseudo-terminal. */
import { existsSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { connectCamera } from '../../../src/camera/index.js';
import { Program, run } from './program.js';
import { useScratch } from './support.js';

const scratch = useScratch();

/** Whether main.py runs, which it does only after power-on and resets. */
async function mainRuns(port: string): Promise<boolean> {
  const camera = await connectCamera({ port });
  try {
    for (const end = Date.now() + 30_000; Date.now() < end; await pause(20)) {
      if (await camera.running()) return true;
    }
    return false;
  } finally {
    await camera.close();
  }
}

it.each([
  [[], /was reset and answers: firmware 5\.0\.0/],
  [['--bootloader'], /told to start its bootloader/],
])('reset %j', async (flags, said) => {
  const link = scratch.path('camera');
  const virtual = new Program(['virtual', '--link', link]);
  try {
    while (!existsSync(link)) await pause(5);
    const ran = await run(['exec', '--port', link, '-c', 'print("over")']);
    expect([ran.status, ran.stdout], ran.stderr).toEqual([0, expect.stringContaining('over')]);
    const { status, stdout, stderr } = await run(['reset', '--port', link, ...flags]);
    expect([status, stdout], stderr).toEqual([0, '']);
    expect(stderr).toMatch(said);
    expect(await mainRuns(link)).toBe(true);
  } finally {
    virtual.kill('SIGINT');
  }
  expect((await virtual.ended).status).toBe(0);
});

it('ends as connecting does when there is no camera', async () => {
  const { status, stderr } = await run(['reset', '--port', '/dev/ttyACM99']);
  expect([status, stderr]).toEqual([3, expect.stringContaining('[PORT_NOT_FOUND]')]);
});
