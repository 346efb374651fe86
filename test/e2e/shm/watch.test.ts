/** `openmv-bridge watch` beside a live bridge. */
import { expect, test } from 'vitest';
import { openRingWriter } from '../../../src/shm/ring/ring-writer.js';
import { Program } from '../program/program.js';
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

test('what was in a ring before watch is shown, and is no rate', async () => {
  const name = uniqueName();
  const writer = openRingWriter({ name, slots: 8, slotSize: 1_000 });
  for (let sequence = 1; sequence <= 12; sequence++)
    writer.write({ jpeg: Uint8Array.of(1, 2), width: 3, height: 4, timestampMs: Date.now(), sequence });
  const watch = new Program(['watch', name, '--json']);
  const first = await watch.line((line) => line.type === 'segment');
  expect(first).toMatchObject({ framesPerSecond: 0, missed: 0, sequence: 12, width: 3, height: 4, bytes: 2 });
  watch.kill('SIGINT');
  expect((await watch.ended).status).toBe(0);
  writer.close();
});

test('watch finds the array that the bridge calls BASE_image', async () => {
  const base = uniqueName().slice(1);
  const watch = new Program(['watch', `${base}_image`, '--json']);
  const bridge = new Program(['--port', 'virtual', '--json', '--no-shm', '--arrays', base]);
  const seen = await watch.line((line) => line.type === 'segment' && line['sequence'] > 0);
  expect(seen).toMatchObject({ name: `/${base}_image_shm`, layout: 'array' });
  bridge.kill('SIGINT');
  await bridge.ended;
  watch.kill('SIGINT');
  expect((await watch.ended).status).toBe(0);
});
