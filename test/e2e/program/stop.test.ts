/** A run that is told to stop: what is in a call may end, a second wish cuts it short, a third one waits for nothing. */
import { readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Ended, Program } from './program.js';
import { PORT, useScratch } from './support.js';

const scratch = useScratch();
const SLOW = fileURLToPath(new URL('adapters/slow.mjs', import.meta.url));
/** Calls that no test waits for. */
const ENDLESS = 600_000;

const programs: Program[] = [];
afterEach(async () => {
  for (const program of programs.splice(0)) {
    program.kill('SIGKILL');
    await program.ended;
  }
});

function start(args: readonly string[], ...adapter: (string | number)[]): Program {
  const program = new Program([...args, '--', process.execPath, SLOW, ...adapter.map(String)]);
  programs.push(program);
  return program;
}

/** A run on the camera whose algorithm takes its time, when the first calls have begun. */
async function running(flags: readonly string[], call: number | string, calls = 1): Promise<Program> {
  const args = ['--port', PORT, '--json', '--no-shm', '--delivery', 'every', ...flags];
  const program = start(args, call);
  await begun(program, calls);
  return program;
}

let gates = 0;
/** Calls last until the gate is opened. */
const newGate = (): string => scratch.path(`gate-${gates++}`);
const open = (gate: string): Promise<void> => writeFile(gate, '');

const begun = (program: Program, calls: number) =>
  program.line(() => program.of('log').filter(({ message }) => /^call \d+$/.test(message)).length >= calls);

/** One outcome for each frame, and nothing left in shared memory. */
function expectWhole(program: Program, { stdout }: Ended): void {
  const sequences = [...program.of('result'), ...program.of('skipped')].map(({ sequence }) => sequence);
  expect(sequences.sort((a, b) => a - b)).toEqual(program.of('frame').map(({ sequence }) => sequence));
  expect(stdout.endsWith('\n')).toBe(true);
  expect(readdirSync('/dev/shm').filter((name) => name.startsWith(`openmv-bridge-${program.pid}-`))).toEqual(
    [],
  );
}

const logged = (program: Program, text: string) =>
  program.line((line) => line.type === 'log' && line['message'].includes(text));

describe('the first SIGINT or SIGTERM', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s lets the call under way end', async (signal) => {
    const gate = newGate();
    const program = await running([], gate);
    await program.line((line) => line.type === 'frame' && line['sequence'] === 2);
    program.kill(signal);
    await logged(program, 'is waited for');
    const note = 'stopping; interrupt once more to end without waiting';
    await expect.poll(() => program.stderr, { timeout: 20_000 }).toContain(note);
    await open(gate);
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
    expect(program.of('result')).toMatchObject([{ sequence: 1, resultStatus: 'OK' }]);
    expect(program.of('skipped')).toMatchObject([{ sequence: 2, reason: 'closed' }]);
    expect(program.of('log').map(({ message }) => message)).toContain('teardown');
    expect(ended.stderr).toMatch(
      /the call under way, about \S+-00000001, may take [\d.]+ s more and is waited for/,
    );
    expect(ended.stderr).toContain('not looked at by the algorithm: frame 2');
    expect(program.of('stats').at(-1)!['algorithm']).toMatchObject({ ok: 1, failed: 0, stray: { late: 0 } });
    expectWhole(program, ended);
  });

  it('lets the calls of several workers end, and calls none of them again', async () => {
    const gate = newGate();
    const program = await running(['--workers', '3'], gate, 3);
    program.kill('SIGINT');
    await logged(program, 'is waited for');
    await open(gate);
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
    expect(program.of('result')).toMatchObject([1, 2, 3].map((sequence) => ({ sequence, status: 'OK' })));
    expectWhole(program, ended);
  });

  it('with delivery latest', async () => {
    const gate = newGate();
    const program = await running(['--delivery', 'latest'], gate);
    program.kill('SIGINT');
    await logged(program, 'is waited for');
    await open(gate);
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
    expect(program.of('result')).toMatchObject([{ resultStatus: 'OK' }]);
    expect(ended.stderr).not.toContain('not looked at');
    expectWhole(program, ended);
  });

  it('lets the calls of several cameras end', async () => {
    const config = scratch.path('cameras.json');
    await writeFile(
      config,
      JSON.stringify({
        cameras: ['left', 'right'].map((cameraId, id) => ({
          port: 'virtual',
          cameraId,
          virtual: { id: id + 1 },
        })),
      }),
    );
    const gate = newGate();
    const program = start(['--config', config, '--json', '--no-shm', '--delivery', 'every'], gate);
    await begun(program, 2);
    program.kill('SIGINT');
    await logged(program, 'is waited for');
    await open(gate);
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
    const results = program.of('result').map(({ cameraId, resultStatus }) => [cameraId, resultStatus]);
    expect(results.sort()).toEqual([
      ['left', 'OK'],
      ['right', 'OK'],
    ]);
  });

  it('waits for a call that hangs as long as its limit, does not try it again, and starts no other adapter', async () => {
    const program = await running(['--call-timeout', '2s', '--kill-timeout', '1s'], ENDLESS);
    program.kill('SIGINT');
    const ended = await program.ended;
    // Every frame that was called for ended without a verdict, by itself.
    expect(ended.status, ended.stderr).toBe(5);
    expect(program.of('result')).toMatchObject([{ sequence: 1, error: { code: 'RUNNER_TIMEOUT' } }]);
    expect(program.of('stats').at(-1)!['algorithm']).toMatchObject({ starts: 1, retries: 0 });
    expectWhole(program, ended);
  });

  it('waits no longer than --stop-timeout, and says what that cut short', async () => {
    const flags = ['--stop-timeout', '500ms', '--shutdown-timeout', '200ms', '--kill-timeout', '500ms'];
    const program = await running(flags, ENDLESS);
    program.kill('SIGTERM');
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
    expect(program.of('result')).toMatchObject([{ sequence: 1, error: { code: 'RUNNER_EXITED' } }]);
    expect(ended.stderr).toContain('no verdict about frame 1: cut short by the end of the run');
    expectWhole(program, ended);
  });

  it('does not wait for an algorithm that is loading', async () => {
    const program = start(['--port', PORT, '--json', '--no-shm', '--delivery', 'every'], 0, ENDLESS);
    await program.line((line) => line.type === 'frame');
    await program.line((line) => line.type === 'runner' && line['state'] === 'loading');
    program.kill('SIGINT');
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
    expect(program.of('result')).toEqual([]);
    expectWhole(program, ended);
  });

  it('while the last outcomes are waited for at the end of --frames calls no further frame', async () => {
    const gate = newGate();
    const program = await running(['--frames', '2'], gate);
    await program.line((line) => line.type === 'frame' && line['sequence'] === 2);
    program.kill('SIGINT');
    await logged(program, 'is waited for');
    await open(gate);
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
    expect(program.of('result')).toMatchObject([{ sequence: 1, resultStatus: 'OK' }]);
    expect(program.of('skipped')).toMatchObject([{ sequence: 2, reason: 'closed' }]);
  });
});

describe('the second one', () => {
  it('cuts calls short, says which frames have no verdict, and ends with 130', async () => {
    const program = await running(['--workers', '2'], ENDLESS, 2);
    program.kill('SIGINT');
    await logged(program, 'is waited for');
    program.kill('SIGTERM');
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(130);
    expect(program.of('result')).toMatchObject(
      [1, 2].map((sequence) => ({ sequence, resultStatus: null, error: { code: 'RUNNER_EXITED' } })),
    );
    expect(ended.stderr).toContain('no verdict about frames 1, 2: cut short by the end of the run');
    expectWhole(program, ended);
  });

  it('a third one waits for nothing: 130, and no adapter stays', async () => {
    const adapter = fileURLToPath(new URL('../runner/fixtures/adapter.mjs', import.meta.url));
    const program = new Program([
      ...['--port', PORT, '--json', '--no-shm', '--kill-timeout', '10m', '--'],
      ...[process.execPath, adapter, 'hang-stubborn'],
    ]);
    programs.push(program);
    await program.line((line) => line.type === 'frame');
    program.kill('SIGINT');
    await logged(program, 'is waited for');
    program.kill('SIGINT');
    await program.line((line) => line.type === 'result');
    program.kill('SIGINT');
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(130);
    expect(
      readdirSync('/dev/shm').filter((name) => name.startsWith(`openmv-bridge-${program.pid}-`)),
    ).toEqual([]);
  });
});

describe('status 5', () => {
  it.each([
    ['by themselves', ['--frames', '3'], false],
    ['until it was stopped', [], true],
  ])('a run whose calls all failed, %s', async (_name, flags, stopped) => {
    const program = start(
      ['--port', PORT, '--json', '--no-shm', '--delivery', 'every', ...flags],
      10,
      0,
      1009,
    );
    await program.line((line) => line.type === 'result' && line['sequence'] === 3);
    if (stopped) program.kill('SIGINT');
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(5);
    expect(ended.stderr).toContain('no frame has a verdict: every call failed');
  });

  it('not when one call came to a verdict', async () => {
    const program = start(['--port', PORT, '--json', '--no-shm', '--frames', '2'], 10);
    expect((await program.ended).status).toBe(0);
  });
});

describe('algo', () => {
  const pictures: string[] = [];
  beforeAll(async () => {
    await mkdir(scratch.path('pictures'), { recursive: true });
    for (const name of ['1.jpg', '2.jpg', '3.jpg']) {
      pictures.push(join(scratch.path('pictures'), name));
      await sharp({ create: { width: 64, height: 48, channels: 3, background: '#555' } }).toFile(
        pictures.at(-1)!,
      );
    }
  });

  it('run: the call under way ends, the other pictures are not looked at', async () => {
    const gate = newGate();
    const program = start(['algo', 'run', '--json', ...pictures], gate);
    await begun(program, 1);
    program.kill('SIGINT');
    await logged(program, 'is waited for');
    await open(gate);
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
    expect(program.of('result')).toMatchObject([{ sequence: 1, resultStatus: 'OK' }]);
  });

  it('run: twice cuts it short, with 130', async () => {
    const program = start(['algo', 'run', '--json', ...pictures], ENDLESS);
    await begun(program, 1);
    program.kill('SIGINT');
    await logged(program, 'is waited for');
    program.kill('SIGINT');
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(130);
    expect(program.of('result')).toMatchObject([{ sequence: 1, error: { code: 'RUNNER_EXITED' } }]);
  });

  it('run: while it starts there is nothing to wait for', async () => {
    const program = start(['algo', 'run', '--json', ...pictures], 0, ENDLESS);
    await program.line(({ type }) => type === 'start');
    program.kill('SIGINT');
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
  });

  it('check: the call under way ends, further steps are skipped', async () => {
    const gate = newGate();
    const program = start(['algo', 'check'], gate);
    await expect.poll(() => program.stdout, { timeout: 20_000 }).toMatch(/^ok +ping/m);
    program.kill('SIGINT');
    await expect.poll(() => program.stderr, { timeout: 20_000 }).toContain('stopping; interrupt');
    await open(gate);
    const ended = await program.ended;
    expect(ended.status, ended.stderr).toBe(0);
    expect(ended.stdout).toMatch(/^ok +call /m);
    expect(ended.stdout).toMatch(/^skipped +missing image .*the check was stopped$/m);
  });

  it('check: an adapter that loads is not waited for; twice ends a call with 130', async () => {
    const loading = start(['algo', 'check'], 0, ENDLESS);
    await expect.poll(() => loading.stdout, { timeout: 20_000 }).toMatch(/hello/);
    loading.kill('SIGINT');
    expect((await loading.ended).status).toBe(0);
    expect(loading.stdout).toMatch(/^skipped +ping .*the check was stopped$/m);

    const calling = start(['algo', 'check'], ENDLESS);
    await expect.poll(() => calling.stdout, { timeout: 20_000 }).toMatch(/^ok +ping/m);
    calling.kill('SIGINT');
    calling.kill('SIGTERM');
    expect((await calling.ended).status).toBe(130);
  });
});
