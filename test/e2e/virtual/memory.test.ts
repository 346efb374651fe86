import { expect, it } from 'vitest';
import { Opcode } from '../../../src/protocol/constants.js';
import { decodeMemory } from '../../../src/protocol/index.js';
import { blank, fixture } from './setup.js';

const FRAMES = 20_000;

it(`memory stays bounded over ${FRAMES} frames`, { timeout: 240_000 }, async () => {
  const { host: guest } = await blank({ fps: 'max' });
  await guest.exec(fixture('docs_frame_channel.py'));
  const channel = await guest.channel('frame');
  const interpreter = async (): Promise<number> =>
    decodeMemory(await guest.query(Opcode.SYS_MEMORY, 0))[0]!.used;
  const into = new Uint8Array(64 * 1024);
  // The first rounds fill the caches.
  for (let count = 0; count < 1_000; count++) await guest.frame(channel, into);
  const usedBefore = await interpreter();
  const rssBefore = process.memoryUsage.rss();
  for (let count = 0; count < FRAMES; count++) await guest.frame(channel, into);
  const usedPerFrame = ((await interpreter()) - usedBefore) / FRAMES;
  // A JPEG has 24,000 bytes: one in a hundred kept for good would show in both figures.
  expect(usedPerFrame).toBeLessThan(240);
  expect(process.memoryUsage.rss() - rssBefore).toBeLessThan(100e6);
});
