/** `openmv-bridge watch` beside a live bridge. */
import { expect, test } from 'vitest';
import { Program } from '../e2e/program.js';
import { uniqueName } from './support.js';

test('watch shows every layout: rate, age, drops, sizes', async () => {
  const [vizn, ring] = [uniqueName(), uniqueName()];
  const base = uniqueName().slice(1);
  const array = `/${base}_image_shm`;
  const bridge = new Program([
    '--port',
    'virtual',
    '--json',
    '--shm-name',
    vizn,
    '--shm-format',
    'grey',
    '--ring',
    ring,
    '--arrays',
    base,
  ]);
  const watches = [vizn, ring, array].map((name) => new Program(['watch', name, '--json']));
  const lively = watches.map((watch) =>
    watch.line((line) => line.type === 'segment' && line['framesPerSecond'] > 5),
  );
  const common = { status: 'live', ownerPid: bridge.pid, width: 320, height: 240 };
  const [first, second, third] = await Promise.all(lively);
  expect(first).toMatchObject({ ...common, name: vizn, layout: 'vizn', format: 'GREY', bytes: 76_800 });
  expect(first!['segmentBytes']).toBe(8_294_528);
  expect(second).toMatchObject({ ...common, name: ring, layout: 'ring', format: 'MJPG', missed: 0 });
  expect(third).toMatchObject({
    ...common,
    name: array,
    layout: 'array',
    format: 'uint8',
    shape: [240, 320, 3],
  });
  for (const line of [first, second, third]) {
    expect(line!['ageMs']).toBeGreaterThanOrEqual(0);
    expect(line!['bytesPerSecond']).toBeGreaterThan(0);
  }
  bridge.kill('SIGINT');
  await bridge.ended;
  for (const watch of watches) {
    await watch.line((line) => line.type === 'segment' && line['status'] === 'gone');
    watch.kill('SIGINT');
    expect((await watch.ended).status).toBe(0);
  }
});
