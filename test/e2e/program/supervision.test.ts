/** The figures by which an algorithm is watched over: from a config file, some of them from flags. */
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { Program, run } from './program.js';
import { PORT, useScratch } from './support.js';

const scratch = useScratch();
const ADAPTER = fileURLToPath(new URL('../runner/fixtures/adapter.mjs', import.meta.url));
const adapter = (behaviour: string): string[] => ['--', process.execPath, ADAPTER, behaviour];
const every = ['--port', PORT, '--json', '--no-shm', '--delivery', 'every'];

let files = 0;
async function config(content: object): Promise<string[]> {
  const path = scratch.path(`config-${files++}.json`);
  await writeFile(path, JSON.stringify(content));
  return ['--config', path];
}

describe('supervision', () => {
  it('in a config file: when an idle adapter is taken for hung', async () => {
    const supervision = {
      heartbeatIntervalMs: 40,
      heartbeatGraceMs: 30,
      heartbeatMisses: 3,
      crashLimit: 100,
    };
    const program = new Program([
      ...['--port', PORT, '--json', '--no-shm', '--no-stream', '--control', scratch.path('socket')],
      ...(await config({ supervision })),
      ...adapter('no-pong'),
    ]);
    const { code, message } = await program.line((line) => line.type === 'error');
    expect(code).toBe('RUNNER_TIMEOUT');
    expect(message).toContain('left 3 pings unanswered (one every 40 ms, 30 ms to answer)');
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
  });

  it.each([
    ['in a config file: after how many crashes it is given up', [], 3, 5_000],
    ['a flag wins over one figure of it, the others stay', ['--crash-limit', '2'], 2, 5_000],
  ])('%s', async (_, flags, crashes, crashWindowMs) => {
    const program = new Program([
      ...[...every, '--frames', '20', ...flags],
      ...(await config({ supervision: { crashLimit: 3, crashWindowMs, backoffMinMs: 10 } })),
      ...adapter('exit'),
    ]);
    expect((await program.ended).status, program.stderr).toBe(5);
    expect(program.of('error').at(-1)!['message']).toContain(`failed ${crashes} times within 5 s`);
    expect(program.of('stats').at(-1)!['algorithm']).toMatchObject({ crashes, state: 'failed' });
  });

  it('how long an adapter that ignores SIGTERM has until it is killed', async () => {
    const program = new Program([
      ...[...every, '--frames', '1', '--call-timeout', '100', '--kill-timeout', '50'],
      ...adapter('hang-stubborn'),
    ]);
    expect((await program.ended).status, program.stderr).toBe(5);
    expect(program.of('result')).toMatchObject([{ error: { code: 'RUNNER_TIMEOUT' } }]);
  });

  it.each([
    [{ supervision: { crashLimit: 0 } }, /supervision\.crashLimit/],
    [{ supervision: { heartbeats: 3 } }, /supervision: .*heartbeats/],
    [{ supervision: 5 }, /supervision/],
  ])('%j is refused with 2, and named', async (content, message) => {
    const { status, stderr } = await run([...every, ...(await config(content)), ...adapter('')]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });
});

describe('a config file', () => {
  it('says what the virtual camera is; flags win over single settings', async () => {
    const ledger = scratch.path('ledger.jsonl');
    const faultLog = scratch.path('faults.jsonl');
    const program = new Program([
      ...['--port', 'virtual', '--json', '--no-shm', '--frames', '3', '--virtual-fault-log', faultLog],
      ...(await config({ virtual: { id: 77, ledger, faultLog: '/nowhere/at/all' } })),
    ]);
    expect((await program.ended).status, program.stderr).toBe(0);
    expect(program.of('connected')).toMatchObject([{ cameraId: expect.stringMatching(/0000004d$/) }]);
    expect(
      await run([
        '--port',
        'virtual',
        '--frames',
        '1',
        '--no-shm',
        ...(await config({ virtual: { fps: 'soon' } })),
      ]),
    ).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/fps/),
    });
  });
});
