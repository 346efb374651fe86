/** A recorder that is killed at any moment leaves a file that can be read, and finished. Twenty moments take a while. */
import { copyFileSync, readFileSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { recoverFile } from '../../../src/recording/index.js';
import { inShort, ofKind, type ReadMessage, readUpTo, readWhole } from '../../support/recording.js';
import { Program, run } from '../program/program.js';
import { PORT, useScratch } from '../program/support.js';

const scratch = useScratch();
const KILLS = 20;
const AT_A_TIME = 4;
const LONGEST_MS = 1_500;

/** No longer one that may be under way, which `recover` would wait to see. */
const rest = (file: string): void => utimesSync(file, 1, 1);

/** The frames are those that were delivered, from the first one on. */
function expectFrames(messages: readonly ReadMessage[], program: Program): number {
  const frames = ofKind(messages, 'frame');
  expect(frames.map(({ sequence }) => sequence)).toEqual(frames.map((_, index) => index + 1));
  const told = new Map(program.of('frame').map((line) => [line['sequence'], line['bytes']]));
  for (const { sequence, value } of frames) {
    if (told.has(sequence)) expect(value.data.length).toBe(told.get(sequence));
  }
  return frames.length;
}

it(`can be read and finished after each of ${KILLS} kills`, async () => {
  let recorded = 0;
  const kill = async (number: number): Promise<void> => {
    const file = scratch.path(`${number}.mcap`);
    const program = new Program([
      ...['record', file, '--port', PORT, '--json', '--record-wire', '--virtual-fps', '100'],
    ]);
    await program.line(({ type }) => type === 'frame');
    const moment = Math.random() * LONGEST_MS;
    await pause(moment);
    program.kill('SIGKILL');
    await program.ended;
    const found = readUpTo(file);
    expect(found.whole, `killed ${moment} ms after the first frame`).toBe(false);
    recorded += expectFrames(found.messages, program);
    rest(file);
    const { whole, messages } = await recoverFile(file);
    expect({ whole, messages }).toEqual({ whole: false, messages: found.messages.length });
    const finished = await readWhole(file);
    expect(finished).toHaveLength(found.messages.length);
    expectFrames(finished, program);
    rest(file);
    expect(await recoverFile(file)).toMatchObject({ whole: true, messages, cut: 0 });
  };
  const waiting = Array.from({ length: KILLS }, (_, index) => index);
  const worker = async (): Promise<void> => {
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) await kill(next);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  expect(recorded).toBeGreaterThan(KILLS);
}, 240_000);

it('`recover` finishes a file that ends anywhere, and leaves alone what is whole or no recording', async () => {
  const whole = scratch.path('whole.mcap');
  const { status } = await run(['record', whole, '--port', PORT, '--quiet', '--frames', '60']);
  expect(status).toBe(0);
  const all = await readWhole(whole);
  const size = statSync(whole).size;
  for (const length of [1_000, size >> 1, size - 4_000, size - 500, size - 9, size - 1]) {
    const file = scratch.path('part.mcap');
    copyFileSync(whole, file);
    truncateSync(file, length);
    rest(file);
    expect((await recoverFile(file)).whole, `of ${length} bytes`).toBe(false);
    const messages = await readWhole(file);
    expect(inShort(messages)).toEqual(inShort(all.slice(0, messages.length)));
    if (length > size - 4_000) expect(messages).toHaveLength(all.length);
  }
  rest(whole);
  const cut = scratch.path('cut.mcap');
  copyFileSync(whole, cut);
  truncateSync(cut, size - 9);
  const { stdout, status: done } = await run(['recover', cut, whole]);
  expect(stdout.split('\n').slice(0, 2)).toEqual([
    expect.stringMatching(`^${cut}: finished: ${all.length} messages, 60 of them frames; \\d+ bytes`),
    `${whole}: is whole: ${all.length} messages, 60 of them frames`,
  ]);
  expect(done).toBe(0);
  expect(statSync(whole).mtimeMs).toBe(1_000);
  const other = await run(['recover', process.execPath]);
  expect(other.stderr).toMatch(/is no recording of openmv-bridge|cannot be finished/);
  expect(other.status).toBe(6);
}, 120_000);

it('`recover` keeps what stands behind damage, and does not touch a recording that is under way', async () => {
  const file = scratch.path('damaged.mcap');
  const program = new Program(['record', file, '--port', PORT, '--json']);
  await program.line(({ type, sequence }) => type === 'frame' && sequence === 100);
  await expect(recoverFile(file)).rejects.toThrow('is still being written');
  program.kill('SIGINT');
  expect((await program.ended).status).toBe(0);
  const all = await readWhole(file);
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1]! ^= 1;
  writeFileSync(file, bytes);
  rest(file);
  const { messages, cut, rest: kept } = await recoverFile(file);
  expect(messages).toBeGreaterThan(0);
  expect(inShort(await readWhole(file))).toEqual(inShort(all.slice(0, messages)));
  expect(readFileSync(kept!).equals(bytes.subarray(bytes.length - cut))).toBe(true);
});
