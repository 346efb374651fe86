/** Recordings with flipped bits, cut off, and with bytes too many: what comes out is what was recorded, or is told as damage. */
import { mkdtemp, readFile, rm, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { encodePacket, Opcode } from '../../../src/protocol/index.js';
import { type Message, wireMessage } from '../../../src/recording/messages.js';
import { field } from '../../../src/recording/protobuf.js';
import { RecordingFile } from '../../../src/recording/recording-file.js';
import { recoverFile } from '../../../src/recording/recover.js';
import { FrameReplay } from '../../../src/replay/frame-replay.js';
import {
  itemText,
  PacketStats,
  PacketWords,
  readRecorded,
  readRecordedLines,
  readWire,
  wireItems,
  wireLine,
} from '../../../src/replay/index.js';
import { fakeJpeg } from '../../fakes/jpeg.js';
import { Random } from '../../fakes/random.js';

const FRAMES = 8;
const ROUNDS = 100;
const jpegs = Array.from({ length: FRAMES }, (_, index) => fakeJpeg(index + 1, 600 + index));
let folder = '';
let frames: Buffer;
let line: Buffer;
let text: Buffer;

const messageOf = (kind: Message['kind'], sequence: number, data: Uint8Array): Message => {
  const time = BigInt(sequence) * 30_000_000n;
  return { kind, cameraId: 'cam', sequence, logTime: time, publishTime: time, data };
};
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

/** A recording of two frames a chunk; `name` is that of its file. */
async function record(
  name: string,
  wire: boolean,
  lineOf = (one: object): Uint8Array => json(one),
): Promise<string> {
  const path = join(folder, name);
  const file = await RecordingFile.open(path, new Map([['runId', 'a run']]));
  for (const [index, jpeg] of jpegs.entries()) {
    const sequence = index + 1;
    const request = encodePacket({ opcode: Opcode.CHANNEL_SIZE, channel: 4, sequence, flags: 0 });
    file.add(messageOf('frame', sequence, field(2, jpeg)));
    file.add(messageOf('event', sequence, lineOf({ type: 'frame', sequence, data: { count: sequence } })));
    file.add(messageOf('result', sequence, lineOf({ type: 'result', sequence, resultStatus: 'OK' })));
    if (wire) file.add(wireMessage('cam', 30 * sequence, false, 1, request));
    if (sequence % 2 === 0) await file.flush();
  }
  await file.finish();
  return path;
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'openmv-damaged-'));
  frames = await readFile(await record('frames.mcap', false));
  const path = await record('line.mcap', true);
  line = await readFile(path);
  const lines: string[] = [];
  for await (const entry of readWire(path)) lines.push(`${wireLine(entry)}\n`);
  text = Buffer.from(lines.join(''));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Cut off, some bits flipped, or bytes put in. */
function spoilt(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  const at = random.below(copy.length);
  switch (random.below(4)) {
    case 0:
      return copy.subarray(0, at);
    case 1:
      return Buffer.concat([copy.subarray(0, at), random.bytes(random.below(64)), copy.subarray(at)]);
    default:
      for (let flips = 1 + random.below(3); flips > 0; flips--) {
        const position = random.below(copy.length);
        copy[position]! ^= 1 << random.below(8);
      }
      return copy;
  }
}

/** What a reader gives until it ends, or says that the file is damaged. */
async function read<T>(items: AsyncIterable<T>, seed: string): Promise<T[]> {
  const found: T[] = [];
  try {
    for await (const item of items) found.push(item);
  } catch (error) {
    expect(error, seed).toBeInstanceOf(BridgeError);
    expect(['OPTION_INVALID', 'FILE_FAILED'], `${seed}: ${String(error)}`).toContain(
      (error as BridgeError).code,
    );
  }
  return found;
}

async function* replayed(path: string): AsyncGenerator<{ readonly jpeg: Uint8Array }> {
  const replay = await FrameReplay.open(path, { speed: 'max' });
  try {
    for (let frame = await replay?.next(); frame; frame = await replay?.next()) yield frame;
  } finally {
    await replay?.close();
  }
}

async function* recorded(path: string): AsyncGenerator<{ readonly jpeg: Uint8Array }> {
  for await (const item of readRecorded(path, ['frame', 'result']))
    if (item.type === 'frame') yield item.frame;
}

/** Each is one that was recorded, and they are in order. */
function expectRecorded(found: readonly { readonly jpeg: Uint8Array }[], seed: string): void {
  const numbers = found.map(({ jpeg }) => jpegs.findIndex((one) => Buffer.compare(one, jpeg) === 0));
  expect(numbers, seed).not.toContain(-1);
  expect(numbers, seed).toEqual([...new Set(numbers)].sort((a, b) => a - b));
}

it('damage is told, and no frame is another one than was recorded', async () => {
  const random = new Random(7);
  let finished = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const seed = `round ${round}`;
    const path = join(folder, 'spoilt.mcap');
    await writeFile(path, spoilt(random.chance(0.5) ? frames : line, random));
    expectRecorded(await read(recorded(path), seed), seed);
    expectRecorded(await read(replayed(path), seed), seed);
    await read(readRecordedLines(path, ['event', 'result']), seed);
    await read(wireItems(readWire(path)), seed);
    // One that rests: it is not waited whether it is still written.
    await utimes(path, 1, 1);
    const done = await recoverFile(path).catch((error: BridgeError) => {
      expect(error.code, `${seed}: ${error.message}`).toBe('FILE_FAILED');
    });
    if (!done) continue;
    finished++;
    const kept: { readonly jpeg: Uint8Array }[] = [];
    for await (const frame of recorded(path)) kept.push(frame);
    expectRecorded(kept, seed);
  }
  expect(finished).toBeGreaterThan(ROUNDS / 2);
}, 120_000);

it('the same of a line as text: packets in words, or the line that cannot be read', async () => {
  const random = new Random(8);
  for (let round = 0; round < ROUNDS; round++) {
    const path = join(folder, 'spoilt.jsonl');
    await writeFile(path, spoilt(text, random));
    const [words, stats] = [new PacketWords(), new PacketStats()];
    for (const item of await read(wireItems(readWire(path)), `round ${round}`)) {
      words.follow(item);
      stats.take(item);
      expect(itemText(item, words, 0)).not.toBe('');
    }
    expect(stats.result().durationMs).not.toBeNaN();
  }
}, 120_000);

it.each([
  ['no JSON', () => Buffer.from('\x01\x02')],
  ['null', () => Buffer.from('null')],
  ['a list', () => Buffer.from('[1]')],
])('lines that are %s tell nothing, and the frames are there', async (_, lineOf) => {
  const path = await record('foreign.mcap', false, lineOf);
  const found: { readonly jpeg: Uint8Array; readonly data?: unknown }[] = [];
  for await (const frame of replayed(path)) found.push(frame);
  expect(found.map(({ jpeg }) => Buffer.from(jpeg))).toEqual(jpegs.map((jpeg) => Buffer.from(jpeg)));
  for await (const { line: told } of readRecordedLines(path, ['event', 'result'])) {
    expect(told['type']).toBeUndefined();
  }
});

it('what would have to be read into memory whole is refused', async () => {
  const path = join(folder, 'large.mcap');
  const head = Buffer.from(frames.subarray(0, 17));
  head.writeBigUInt64LE(2n ** 40n, 9);
  await writeFile(path, head);
  await truncate(path, 2 ** 27 + 2 ** 21);
  const refused = (async () => {
    for await (const frame of recorded(path)) expect(frame).toBeUndefined();
  })();
  await expect(refused).rejects.toMatchObject({
    code: 'OPTION_INVALID',
    message: expect.stringMatching(/damaged: it has a record of more than 128 MiB/),
  });
  const lines = join(folder, 'large.jsonl');
  await writeFile(lines, 'a');
  await truncate(lines, 2 ** 24 + 2 ** 17);
  const wire = (async () => {
    for await (const entry of readWire(lines)) expect(entry).toBeUndefined();
  })();
  await expect(wire).rejects.toMatchObject({
    code: 'FILE_FAILED',
    message: expect.stringContaining('16 MiB'),
  });
}, 60_000);
