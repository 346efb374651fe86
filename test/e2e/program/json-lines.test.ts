/** Every JSON line has the form that the documents give it, of every subcommand that prints some. */
import { readFileSync, rmSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { runLines } from '../../../src/bridge/line-forms.js';
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

const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
const PACED = fileURLToPath(new URL('adapters/paced.mjs', import.meta.url));

/** By what is published for other programs, which takes no field that it does not know; and each reason is explained. */
function expectPublished(lines: readonly JsonLine[]): void {
  const form = z.fromJSONSchema(JSON.parse(readFileSync(root('tools/json-lines.schema.json'), 'utf8')));
  const page = readFileSync(root('docs/json-lines.md'), 'utf8');
  for (const line of lines) {
    expect(form.safeParse(line).error, JSON.stringify(line)).toBeUndefined();
    if (line.type === 'dropped') expect(page).toMatch(new RegExp(`^\\| \`${line['reason']}\` +\\|`, 'm'));
    expect(form.safeParse({ ...line, unknown: 1 }).success, line.type).toBe(false);
  }
}

describe('run with everything on', () => {
  it('triggers, data of the script, sinks, an algorithm, and a cable that is loose', async () => {
    const script = scratch.path('tagging.py');
    await writeFile(
      script,
      `from frame_channel import frame, run
count = 0

def look(image):
    global count
    count += 1
    frame.tag({"count": count})
    print("picture", count)

run(look)
`,
    );
    await writeFile(scratch.path('empty.py'), '');
    const shm = segmentName();
    const program = new Program([
      ...['--port', 'virtual', '--json', '--shm-name', shm, '--ring', `${shm}_ring`],
      // A camera without a main.py: the script is sent after each loss of the line.
      ...['--script', script, '--virtual-script', scratch.path('empty.py')],
      // Three pulses come while a picture is taken: one waits, the others are missed.
      ...['--trigger', 'pin', '--virtual-pulse', '20', '--virtual-fps', '12'],
      ...['--virtual-faults', 'hangup=1%,seed=5', '--save', scratch.path('everything')],
      ...['--', process.execPath, PACED, '300', 'odd-ng'],
    ]);
    const seen = (type: string, fields: Readonly<Record<string, unknown>> = {}): Promise<JsonLine> =>
      program.line(
        (line) => line.type === type && Object.entries(fields).every(([name, value]) => line[name] === value),
      );
    await seen('frame', { sequence: 2 });
    rmSync(`/dev/shm${shm}`);
    await Promise.all([
      ...['stats', 'result', 'skipped', 'stdout', 'runner', 'log', 'disconnected'].map((type) => seen(type)),
      seen('dropped', { reason: 'missed' }),
      seen('error', { sink: 'segment' }),
      seen('recovered', { sink: 'segment' }),
      program.line((line) => line.type === 'frame' && line['triggerId'] !== undefined),
    ]);
    program.kill('SIGINT');
    expect((await program.ended).status, program.stderr).toBe(0);
    expectPublished(program.lines);
    const all = ['capturedAtMs', 'capturedErrorMs', 'triggerId', 'sharedMemId', 'file', 'data'];
    expect(program.of('frame').some((line) => all.every((field) => field in line))).toBe(true);
    const [stats] = program.of('stats').slice(-1);
    for (const sink of ['segment', 'ring', 'files']) expect(stats?.['sinks']).toHaveProperty(sink);
  });

  it('previews of a script without a channel, and a reader that is slow', async () => {
    const program = new Program([
      ...['--port', 'virtual', '--json', '--no-shm', '--virtual-fps', '60'],
      ...['--script', root('firmware/examples/preview_only.py'), '--delivery', 'every'],
      ...['--', process.execPath, PACED, '400'],
    ]);
    await program.line((line) => line.type === 'dropped' && line['reason'] === 'replaced');
    program.kill('SIGINT');
    expect((await program.ended).status, program.stderr).toBe(0);
    expect(program.of('source')).toMatchObject([{ source: 'preview' }]);
    expectPublished(program.lines);
  });
});

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
