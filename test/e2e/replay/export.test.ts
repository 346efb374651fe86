/** `export`: the frames of a recording as files for other programs. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';
import { type Ended, type JsonLine, Program, run } from '../program/program.js';
import { crcOf, EXAMPLE_NODE, useScratch } from '../program/support.js';

const scratch = useScratch();
const FRAMES = 12;
let file = '';
let frames: readonly JsonLine[] = [];
let results: readonly JsonLine[] = [];

beforeAll(async () => {
  file = scratch.path('run.mcap');
  const record = ['--record', file, '--frames', String(FRAMES), '--no-shm', '--json', '--delivery', 'every'];
  const program = new Program(['--port', 'virtual', ...record, '--', process.execPath, EXAMPLE_NODE]);
  expect((await program.ended).status).toBe(0);
  frames = program.of('frame');
  results = program.of('result');
});

const exported = (to: string, ...words: string[]): Promise<Ended> =>
  run(['export', file, '--to', scratch.path(to), ...words]);
const crcs = (folder: string): string[] =>
  readdirSync(folder)
    .sort()
    .map((name) => crcOf(readFileSync(join(folder, name))));

describe('export', () => {
  it('JPEGs, byte for byte; those of a range', async () => {
    const { status, stderr } = await exported('jpegs');
    expect(stderr).toContain(`${FRAMES} frames in`);
    expect(status).toBe(0);
    expect(crcs(scratch.path('jpegs'))).toEqual(frames.map((frame) => frame['crc32']));
    await exported('part', '--sequence', '3-5');
    expect(readdirSync(scratch.path('part')).map((name) => name.slice(-12))).toEqual([
      '00000003.jpg',
      '00000004.jpg',
      '00000005.jpg',
    ]);
    const first = frames[0]!['timestampMs'] as number;
    const middle = ((frames[6]!['timestampMs'] as number) - first) / 1_000;
    await exported('later', '--time', `${(middle - 0.001).toFixed(4)}-`);
    expect(crcs(scratch.path('later'))).toEqual(frames.slice(6).map((frame) => frame['crc32']));
  });

  it('a table with the verdicts', async () => {
    expect((await exported('run.csv')).status).toBe(0);
    const [head, ...rows] = readFileSync(scratch.path('run.csv'), 'utf8').trimEnd().split('\n');
    expect(head).toMatch(/^camera,sequence,timestampMs,/);
    expect(rows.map((row) => row.split(',')[7])).toEqual(frames.map((frame) => frame['crc32']));
    expect(rows.map((row) => row.split(',')[8])).toEqual(results.map((result) => result['resultStatus']));
  });

  it.each([
    ['mkv', 'matroskademux'],
    ['avi', 'avidemux'],
  ])('.%s holds the JPEGs as they came', async (extension, demux) => {
    needs('gstreamer', 'file formats');
    const { status, stderr } = await exported(`run.${extension}`);
    expect(stderr).not.toMatch(/warning/i);
    expect(status).toBe(0);
    const folder = scratch.path(extension);
    mkdirSync(folder);
    const source = ['filesrc', `location=${scratch.path(`run.${extension}`)}`, '!', demux, '!'];
    const sink = ['multifilesink', `location=${join(folder, '%08d.jpg')}`];
    execFileSync('gst-launch-1.0', ['-q', ...source, ...sink], { timeout: 60_000 });
    expect(crcs(folder)).toEqual(frames.map((frame) => frame['crc32']));
  });

  it('.mp4', async () => {
    needs('x264');
    expect((await exported('run.mp4')).status).toBe(0);
    expect(readFileSync(scratch.path('run.mp4')).subarray(4, 8).toString()).toBe('ftyp');
    expect(statSync(scratch.path('run.mp4')).size).toBeGreaterThan(10_000);
  });

  it('says what is wrong', async () => {
    const none = await exported('none', '--sequence', '1000-');
    expect(none.stderr).toMatch(/no such frames/);
    expect(none.status).toBe(2);
    const kind = await exported('run.gif');
    expect(kind.stderr).toMatch(
      /\.mkv, \.avi, \.mp4, \.csv, not \.gif\. If .*run\.gif is to be a folder, put a \/ behind it/,
    );
    expect(kind.status).toBe(2);
    const other = await run(['export', EXAMPLE_NODE, '--to', scratch.path('x.csv')]);
    expect(other.stderr).toMatch(/is no MCAP recording/);
    expect(other.status).toBe(2);
    const missing = await run(['export', scratch.path('missing.mcap'), '--to', scratch.path('x.csv')]);
    expect(missing.stderr).toMatch(/no such file/);
    expect(missing.status).toBe(6);
  });
});
