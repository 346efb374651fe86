/**
 * A camera that goes on while its cable is pulled, on a line that drops and damages packets: what it captured is what was
 * delivered and what was counted.
 */
import { expect, it } from 'vitest';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import { cameraOnCable } from '../../support/cable.js';

interface Ledger {
  readonly delivered: number;
  readonly counted: number;
  /** Captures up to the last one that was delivered. */
  readonly captured: number;
  readonly strangers: number;
  readonly twice: number;
  readonly disordered: number;
}

/** Delivers `frames` frames while the cable is pulled every `everyMs`; 0: never. */
async function run(frames: number, everyMs: number, faults: string, ack: 'on' | 'off'): Promise<Ledger> {
  const captures: string[] = [];
  const { cable, link, close } = await cameraOnCable({
    fps: 'max',
    ...(faults ? { faults } : {}),
    onCapture: ({ crc32 }) => captures.push(crc32),
  });
  const bridge = await openBridge({ port: link, ack, shm: false, frames });
  const delivered: string[] = [];
  let counted = 0;
  bridge.frames$.subscribe((frame) => delivered.push(frame.crc32));
  bridge.events$.subscribe((event) => {
    if (event.type === 'dropped') counted += event.count;
  });
  await cable.pullEvery(everyMs, bridge.done);
  await close();
  const places = delivered.map((crc32) => captures.indexOf(crc32));
  return {
    delivered: delivered.length,
    counted,
    captured: Math.max(...places) + 1,
    strangers: places.filter((place) => place < 0).length,
    twice: places.length - new Set(places).size,
    disordered: places.filter((place, index) => index > 0 && place < places[index - 1]!).length,
  };
}

it.each([
  ['a good line', 0, '', 'off'],
  ['dropped and damaged packets', 0, 'drop=1%,flip=1%,cut=0.5%', 'off'],
  ['dropped and damaged packets, acks on', 0, 'drop=1%,flip=0.5%', 'on'],
  ['a cable that is pulled', 150, '', 'off'],
  ['a cable that is pulled, and damaged packets', 400, 'drop=1%,flip=1%', 'off'],
] as const)('%s: delivered and counted are all that was captured', async (_what, everyMs, faults, ack) => {
  const ledger = await run(300, everyMs, faults, ack);
  expect(ledger).toMatchObject({ strangers: 0, twice: 0, disordered: 0, delivered: 300 });
  expect(ledger.delivered + ledger.counted).toBe(ledger.captured);
});
