/** `watch` reads the segment as another program would. */
import { expect, it } from 'vitest';
import { Program } from './program.js';
import { PORT, segmentName } from './support.js';

it('follows a segment from before its writer to the next one, and its death harms no one', async () => {
  const shm = segmentName();
  const watch = new Program(['watch', shm, '--json']);
  const writer = new Program(['--port', PORT, '--json', '--shm-name', shm]);
  const seen = await watch.line((line) => line.type === 'segment' && line['framesPerSecond'] > 5);
  expect(seen).toMatchObject({
    name: shm,
    status: 'live',
    ownerPid: writer.pid,
    width: 320,
    height: 240,
    format: 'MJPG',
  });
  writer.kill('SIGINT');
  await writer.ended;
  const next = new Program(['--port', PORT, '--json', '--shm-name', shm]);
  await watch.line(
    (line) => line.type === 'segment' && line['ownerPid'] === next.pid && line['framesPerSecond'] > 5,
  );
  watch.kill('SIGKILL');
  await watch.ended;
  const before = next.of('frame').length;
  await next.line((line) => line.type === 'frame' && line['sequence'] > before + 5);
  next.kill('SIGINT');
  expect((await next.ended).status).toBe(0);
});
