/** Frames to an algorithm and its results back. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { needed } from '../../support/needs.js';
import { Program, run } from './program.js';
import { EXAMPLE_NODE, EXAMPLE_PYTHON, expectSequence, leftovers, PORT, segmentName } from './support.js';

const examples = [
  ['python3', EXAMPLE_PYTHON],
  [process.execPath, EXAMPLE_NODE],
];

describe.each(examples)('the example algorithm in %s', (...command) => {
  it('gives one result a frame with --delivery every, each with its frame', async () => {
    const shm = segmentName();
    const program = new Program([
      ...[
        '--port',
        PORT,
        '--frames',
        '40',
        '--json',
        '--delivery',
        'every',
        '--shm-name',
        shm,
        '--',
        ...command,
      ],
    ]);
    const { status, stderr } = await program.ended;
    expect(status, stderr).toBe(0);
    expectSequence(program.of('frame'), 40);
    expectSequence(program.of('result'), 40);
    for (const result of program.of('result')) {
      expect(result).toMatchObject({
        requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
        status: 'OK',
        resultStatus: expect.stringMatching(/^(OK|NG)$/),
        latencyMs: expect.any(Number),
        data: { result_status: result['resultStatus'] },
      });
    }
    const ids = new Set(program.of('result').map((result) => result['requestId']));
    expect(ids.size).toBe(40);
    const [frame] = program.of('frame');
    expect(frame!['sharedMemId']).toBe(`${frame!['cameraId']}-00000001`);
    expect(leftovers(shm, program.pid)).toEqual([]);
  });
});

describe('an algorithm that is killed', () => {
  it('is started again; frames go on without gap, and its frame gets no verdict', async () => {
    const program = new Program([
      '--port',
      PORT,
      '--json',
      '--no-shm',
      '--delivery',
      'every',
      '--',
      'python3',
      EXAMPLE_PYTHON,
    ]);
    await program.line((line) => line.type === 'result');
    const children = spawnSync(needed('pgrep'), ['-P', String(program.pid)], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n');
    expect(children).toHaveLength(1);
    process.kill(Number(children[0]), 'SIGKILL');
    await program.line((line) => line.type === 'error' && line['code'] === 'RUNNER_EXITED');
    const seen = program.of('result').at(-1)!['sequence'];
    await program.line(
      (line) => line.type === 'result' && line['status'] === 'OK' && line['sequence'] > seen + 5,
    );
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
    expectSequence(program.of('frame'), program.of('frame').length);
    for (const result of program.of('result')) {
      if (result['status'] !== 'OK')
        expect(result).toMatchObject({ resultStatus: null, error: { code: 'RUNNER_EXITED' } });
    }
  });

  it('cannot be started: status 5 and a message that names it', async () => {
    const { status, stderr } = await run(['--port', PORT, '--no-shm', '--', '/nowhere/algorithm']);
    expect(stderr).toMatch(/\/nowhere\/algorithm.*RUNNER_NOT_FOUND/s);
    expect(status).toBe(5);
  });
});
