/** Writers and readers are killed at any moment; anyone who lives goes on. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { openShm } from '../../../src/shm/open-shm.js';
import { openRingWriter } from '../../../src/shm/ring/ring-writer.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { Child, compileReader, fixture, READERS, startNode, uniqueName } from './support.js';

const KILLS = 200;

interface Seen {
  readonly frames: number;
  readonly bad: number;
  readonly pid: number;
}

test(`after each of ${KILLS} kills of writers and readers at random, frames come again`, {
  timeout: 300_000,
}, async () => {
  const [vizn, ring] = [uniqueName(), uniqueName()];
  const program = compileReader('survivor.cpp');
  // One process that outlives everybody, in C++: it has to find its way from writer to writer.
  const survivors = [new Child(program, [vizn]), new Child(program, [ring])];
  const victims: (Child | undefined)[] = [undefined, undefined, undefined];
  const random = (below: number): number => Math.floor(Math.random() * below);
  // A writer in reserve saves waiting for Node to start; it takes the names when it is told.
  const spare = (): Child => startNode('crash-writer.mjs', vizn, ring);
  let writer = spare();
  let next = spare();
  const start = async (child: Child): Promise<void> => {
    expect(await child.line()).toBe('waiting');
    child.say('go');
    expect(await child.json()).toEqual({ pid: child.pid });
  };
  await start(writer);

  let writers = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    await sleep(random(20));
    const which = random(4);
    if (which === 3) {
      await writer.kill();
      writer = next;
      next = spare();
      await start(writer);
      writers++;
    } else {
      const victim = victims[which];
      if (victim) await victim.kill();
      else kill--;
      victims[which] =
        which === 0
          ? new Child(program, [random(2) === 0 ? vizn : ring, 'place'])
          : which === 1
            ? new Child('python3', [fixture('survivor.py'), READERS, random(2) === 0 ? vizn : ring])
            : new Child(program, [ring, 'place']);
    }
  }
  expect(writers).toBeGreaterThan(10);
  // All that is left alive sees frames of the last writer, and none was torn on the way.
  const counted = survivors.map(async (survivor) => {
    survivor.say(String(writer.pid));
    return survivor.json<Seen>();
  });
  for (const seen of await Promise.all(counted)) {
    expect(seen).toMatchObject({ bad: 0, pid: writer.pid });
    expect(seen.frames).toBeGreaterThan(KILLS);
  }
  for (const name of [vizn, ring]) {
    const shm = openShm(name);
    for await (const frame of shm.frames()) {
      expect(frame.height).toBe(writer.pid % 60_000);
      break;
    }
    await shm.close();
  }
  for (const child of [writer, next, ...survivors, ...victims]) await child?.kill();
  openViznWriter({ name: vizn, size: 4_096 }).close();
  openRingWriter({ name: ring }).close();
});
