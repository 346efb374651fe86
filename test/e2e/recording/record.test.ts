/** `--record FILE`: everything that a run tells is in the file, and a reader of others finds it. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'crc';
import { expect, it } from 'vitest';
import { StreamDecoder } from '../../../src/protocol/index.js';
import { ofKind, readUpTo, readWhole } from '../../support/recording.js';
import { Program, run } from '../program/program.js';
import { expectSequence, PORT, useScratch } from '../program/support.js';

const scratch = useScratch();
/** The thirtieth frame is NG. */
const ONE_NG = fileURLToPath(new URL('fixtures/one-ng.mjs', import.meta.url));
const ALGORITHM = ['--', process.execPath, 'test/e2e/program/adapters/paced.mjs', '0', 'odd-ng'];

it('records frames, results, annotations, events, figures and log, with a schema for each', async () => {
  const file = scratch.path('a.mcap');
  const program = new Program([
    ...['--port', PORT, '--no-shm', '--json', '--frames', '40', '--delivery', 'every', '--camera-id', 'cam'],
    ...['--record', file, ...ALGORITHM],
  ]);
  expect((await program.ended).status, program.stderr).toBe(0);
  const messages = await readWhole(file);

  const frames = ofKind(messages, 'frame');
  const lines = program.of('frame');
  expect(frames.map(({ sequence }) => sequence)).toEqual(lines.map(({ sequence }) => sequence));
  for (const [index, { value, schema, topic, logTime, publishTime }] of frames.entries()) {
    const line = lines[index]!;
    expect(topic).toBe('/cam/frame');
    expect(schema).toBe('foxglove.CompressedImage');
    expect((crc32(value.data) >>> 0).toString(16).padStart(8, '0')).toBe(line['crc32']);
    expect(value.format).toBe('jpeg');
    expect(value.frame_id).toBe('cam');
    expect(Number(logTime) / 1e6).toBeCloseTo(line['timestampMs'], 2);
    expect(Number(publishTime) / 1e6).toBeCloseTo(line['capturedAtMs'] ?? line['timestampMs'], 2);
    const { seconds, nanos } = value.timestamp;
    expect(BigInt(seconds) * 1_000_000_000n + BigInt(nanos)).toBe(publishTime);
  }

  const results = ofKind(messages, 'result');
  const told = program.of('result');
  expect(results.map(({ sequence }) => sequence)).toEqual(told.map(({ sequence }) => sequence));
  expect(results.map(({ value }) => value.resultStatus)).toEqual(told.map((one) => one['resultStatus']));
  const annotations = ofKind(messages, 'annotations');
  expect(annotations.map(({ schema }) => schema)).toEqual(told.map(() => 'foxglove.ImageAnnotations'));
  for (const { sequence, value } of annotations) {
    const frame = frames.find((one) => one.sequence === sequence)!;
    expect(value.texts[0].text).toMatch(sequence % 2 === 1 ? /^NG/ : /^OK/);
    // Viewers match an annotation with its image by exactly this time.
    const { sec, nsec } = value.texts[0].timestamp;
    expect({ seconds: sec, nanos: nsec }).toEqual(frame.value.timestamp);
  }

  const events = ofKind(messages, 'event').map(({ value }) => value);
  expect(events.filter(({ type }) => type === 'frame')).toEqual(lines);
  expect(events.filter(({ type }) => type === 'connected')).toHaveLength(1);
  expect(ofKind(messages, 'stats').at(-1)!.value.sinks.recording).toEqual({
    written: 40,
    lost: 0,
    skipped: 0,
  });
  const log = messages.filter(({ topic }) => topic === '/log');
  expect(log[0]!.schema).toBe('foxglove.Log');
  expect(log[0]!.value).toMatchObject({
    level: 2,
    name: 'cam',
    message: expect.stringMatching(/^connected on/),
  });
});

it('puts two cameras into one file, and moves an earlier recording out of the way', async () => {
  const file = scratch.path('two.mcap');
  const args = ['--port', 'virtual', '--port', 'virtual', '--no-shm', '--quiet', '--frames', '5'];
  expect((await run([...args, '--record', file])).status).toBe(0);
  expect((await run([...args, '--record', file])).status).toBe(0);
  const names = readdirSync(scratch.path('.')).filter((name) => name.startsWith('two'));
  expect(names).toHaveLength(2);
  for (const name of names) {
    const { messages, whole } = readUpTo(scratch.path(name));
    expect(whole).toBe(true);
    const topics = ofKind(messages, 'frame').map(({ topic }) => topic);
    expect(new Set(topics).size).toBe(2);
    expect(topics).toHaveLength(10);
  }
});

it('is refused where no file can be', async () => {
  const { status, stderr } = await run(['--port', 'virtual', '--no-shm', '--record', '/proc/nothing/a.mcap']);
  expect(stderr).toContain('The recording cannot be written to /proc/nothing/a.mcap');
  expect(stderr).toContain('[FILE_FAILED]');
  expect(status).toBe(6);
});

it('--record-wire records the bytes of both directions, from the first one on', async () => {
  const file = scratch.path('wire.mcap');
  const args = ['record', file, '--port', 'virtual', '--record-wire', '--json', '--frames', '10'];
  const program = new Program(args);
  expect((await program.ended).status, program.stderr).toBe(0);
  const wire = ofKind(await readWhole(file), 'wire').map(({ value }) => value);
  for (const fromCamera of [false, true]) {
    const decoder = new StreamDecoder({ packet: () => undefined }, 16_384);
    for (const one of wire) if (one.from_camera === fromCamera) decoder.push(one.data);
    expect(decoder.stats.packets).toBeGreaterThan(10);
    expect(decoder.stats.discardedBytes).toBe(0);
  }
  expect(new Set(wire.map(({ connection }) => connection))).toEqual(new Set([1]));
  const [first] = wire;
  expect(first.from_camera).toBe(false);
  const frames = program.of('frame');
  const times = wire.map(({ timestamp: { seconds, nanos } }) => seconds * 1_000 + nanos / 1e6);
  expect(times[0]).toBeLessThan(frames[0]!['timestampMs']);
  expect(times.at(-1)).toBeGreaterThan(frames[0]!['timestampMs']);
});

it('a disk that is full ends the recording, not the run; `record` says so with its status', async () => {
  const args = ['--port', 'virtual', '--no-shm', '--json', '--frames', '40', '--stats', '1s'];
  const program = new Program([...args, '--record', '/dev/full']);
  expect((await program.ended).status, program.stderr).toBe(0);
  expectSequence(program.of('frame'), 40);
  const errors = program.of('error');
  expect(errors).toEqual([
    expect.objectContaining({ code: 'FILE_FAILED', message: expect.stringContaining('the disk is full') }),
  ]);
  const { status } = await run(['record', '/dev/full', '--port', 'virtual', '--frames', '40', '--quiet']);
  expect(status).toBe(6);
});

it('--record-when ng records frames and results only around each NG, into a folder', async () => {
  const folder = scratch.path('around');
  const program = new Program([
    ...[
      'record',
      folder,
      '--port',
      'virtual',
      '--json',
      '--camera-id',
      'cam',
      '--frames',
      '60',
      '--delivery',
      'every',
    ],
    ...['--record-when', 'ng', '--record-around', '200ms', '--', process.execPath, ONE_NG],
  ]);
  expect((await program.ended).status, program.stderr).toBe(0);
  const [name, ...others] = readdirSync(folder);
  expect(others).toEqual([]);
  const messages = await readWhole(scratch.path(`around/${name}`));
  const frames = ofKind(messages, 'frame').map(({ sequence }) => sequence);
  const [ng] = program.of('result').filter((one) => one['resultStatus'] === 'NG');
  expect(ng).toBeDefined();
  expect(frames).toContain(ng!['sequence']);
  expect(frames.length).toBeLessThan(60);
  expect(frames).toEqual(frames.map((_, index) => frames[0]! + index));
  const results = ofKind(messages, 'result').map(({ value }) => value.resultStatus);
  expect(results).toContain('NG');
  expect(ofKind(messages, 'stats').at(-1)!.value.sinks.recording).toMatchObject({
    written: frames.length,
    lost: 0,
  });
  expect(ofKind(messages, 'event').some(({ value }) => value.type === 'connected')).toBe(true);
});

it('--record-when ng without an algorithm is refused', async () => {
  const args = ['record', scratch.path('no.mcap'), '--port', 'virtual', '--record-when', 'ng'];
  const { status, stderr } = await run(args);
  expect(stderr).toContain('needs an algorithm, whose outcomes decide. (--runner, --record-when)');
  expect(status).toBe(2);
});
