/** Every JSON line has the form that the documents give it, of every subcommand that prints some. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { runLines } from '../../../src/bridge/json-lines.js';
import { reportLines } from '../../../src/cli/lines.js';
import { type JsonLine, Program, run } from './program.js';
import { EXAMPLE_PYTHON, PORT, segmentName, useScratch } from './support.js';

const scratch = useScratch();
const FORMS: Readonly<Record<string, (typeof runLines)[keyof typeof runLines]>> = {
  ...runLines,
  ...(reportLines as object),
};

function expectForms(lines: readonly JsonLine[], extra: readonly string[] = []): void {
  expect(lines.length).toBeGreaterThan(0);
  for (const line of lines) {
    const own = Object.fromEntries(Object.entries(line).filter(([name]) => !extra.includes(name)));
    const checked = FORMS[line.type]?.safeParse(own);
    expect(checked?.error, JSON.stringify(line)).toBeUndefined();
    expect(checked?.success, `unknown type ${line.type}`).toBe(true);
  }
}

describe('run', () => {
  it('begins with start; every line has its form, a time and a camera', async () => {
    const save = scratch.path('saved');
    const program = new Program([
      ...['--port', PORT, '--json', '--no-shm', '--frames', '40', '--save', save],
      ...['--', 'python3', EXAMPLE_PYTHON],
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    expectForms(program.lines);
    const [start, ...rest] = program.lines;
    expect(start).toMatchObject({
      type: 'start',
      schema: 1,
      runId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    for (const line of rest) expect(line['cameraId'], line.type).toEqual(expect.any(String));
    for (const type of ['connected', 'frame', 'result', 'stats'])
      expect(program.of(type), type).not.toEqual([]);
    for (const { cameraId, sequence, file } of program.of('frame')) {
      expect(file).toBe(join(save, `${cameraId}-${String(sequence).padStart(8, '0')}.jpg`));
    }
    // Microseconds at most.
    const times = program.of('result').map((line) => String(line['latencyMs']));
    for (const time of times) expect(time).toMatch(/^\d+(\.\d{1,3})?$/);
  });

  it('of a failure: start, and an error with its form', async () => {
    const program = new Program(['--port', '/dev/ttyACM99', '--json']);
    expect((await program.ended).status).toBe(3);
    expectForms(program.lines);
    expect(program.lines.map((line) => line.type)).toEqual(['start', 'error']);
  });

  it('has another runId at each start', async () => {
    const ids = await Promise.all(
      [1, 2].map(async () => {
        const program = new Program(['--port', '/dev/ttyACM99', '--json']);
        await program.ended;
        return program.lines[0]?.['runId'];
      }),
    );
    expect(ids[0]).not.toBe(ids[1]);
  });
});

describe('the other subcommands', () => {
  it('info', async () => {
    const program = new Program(['info', '--port', PORT, '--json']);
    expect((await program.ended).status, program.stderr).toBe(0);
    expectForms(program.lines);
    expect(program.lines).toHaveLength(1);
  });

  it('list', async () => {
    const { status, stdout } = await run(['list', '--all', '--json']);
    expect(status).toBe(0);
    const lines = stdout.split('\n').filter(Boolean);
    if (lines.length > 0) expectForms(lines.map((line) => JSON.parse(line) as JsonLine));
  });

  it('watch', async () => {
    const shm = segmentName();
    const writer = new Program(['--port', PORT, '--shm-name', shm, '--json']);
    await writer.line((line) => line.type === 'frame');
    const program = new Program(['watch', shm, '--json', '--duration', '2500ms']);
    expect((await program.ended).status, program.stderr).toBe(0);
    expectForms(program.lines);
    writer.kill('SIGINT');
    expect((await writer.ended).status).toBe(0);
  });

  it('algo check', async () => {
    const program = new Program(['algo', 'check', '--json', '--', 'python3', EXAMPLE_PYTHON]);
    await program.ended;
    expectForms(program.lines);
    expect(program.lines).toHaveLength(1);
  });

  it('algo run', async () => {
    const picture = scratch.path('a.jpg');
    await writeFile(
      picture,
      await sharp({ create: { width: 64, height: 48, channels: 3, background: '#555' } })
        .jpeg()
        .toBuffer(),
    );
    const program = new Program(['algo', 'run', picture, '--json', '--', 'python3', EXAMPLE_PYTHON]);
    await program.ended;
    expect(program.of('result')).toMatchObject([{ file: picture }]);
    expectForms(program.lines, ['file']);
  });
});
