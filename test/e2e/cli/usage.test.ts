import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../program/program.js';

let dir: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'openmv-usage-'));
});

afterAll(async () => {
  await rm(dir, { recursive: true });
});

describe('help and version', () => {
  it('names every subcommand', async () => {
    const { status, stdout } = await run(['--help']);
    expect(status).toBe(0);
    for (const name of ['run', 'list', 'info', 'snapshot', 'exec', 'virtual', 'watch'])
      expect(stdout).toContain(name);
  });

  it.each(['run', 'list', 'info', 'snapshot', 'exec', 'virtual', 'watch'])(
    '%s has help of its own',
    async (name) => {
      const { status, stdout } = await run([name, '--help']);
      expect(status).toBe(0);
      expect(stdout).toContain(`openmv-bridge ${name}`);
    },
  );

  it.each(['', 'run', 'record', 'ctl', 'algo replay', 'worker', 'mcp'])(
    '%s --help fits 80 columns',
    async (name) => {
      const { stdout } = await run([...name.split(' ').filter(Boolean), '--help']);
      expect(stdout).toContain('Usage: openmv-bridge');
      expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
    },
  );

  it('prints the version', async () => {
    expect((await run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });
});

describe('wrong usage ends with 2 and names what is wrong', () => {
  it.each([
    [['--frames', 'many'], /--frames.*many/s],
    [['--frames', '0'], /--frames/],
    [['--duration', '-1'], /--duration/],
    [['--ack', 'maybe'], /--ack.*auto, on, off/s],
    [['--shm-mode', '999'], /--shm-mode/],
    [['--shm-size', '8X'], /--shm-size/],
    [['--max-payload', '10'], /--max-payload/],
    [['--dialect', 'klingon'], /--dialect/],
    [['--delivery', 'sometimes'], /--delivery/],
    [['--unknown'], /unknown option/],
    [
      ['--http', 'localhost', '--port', 'virtual'],
      /--http.*Give a port, or an address and a port.*\]:8080\.\n$/,
    ],
    [['--http', '99999', '--port', 'virtual'], /--http.*invalid\. A port is at most 65535\.\n$/],
    [['--port', 'virtual', 'python3', 'algorithm.py'], /An algorithm stands behind --, as in: -- python3/],
    [['worker', '--nats', 'nats://127.0.0.1:1'], /as in: openmv-bridge worker -- python3/],
    [['help', 'lst'], /unknown command 'lst'.*Did you mean list/s],
    [
      ['virtual', '--link', '/nowhere/cam'],
      /\/nowhere\/cam cannot be made: the folder \/nowhere does not exist/,
    ],
    [['frobnicate'], /frobnicate|too many arguments/],
    [['snapshot'], /missing required argument/],
    [['virtual'], /--link/],
    [['--port', 'virtual', '--camera-id', 'a/b'], /--camera-id/],
    [['--port', 'virtual', '--channel', 'a-name-that-is-too-long'], /channel/],
    [['--port', 'virtual', '--virtual-fps', 'soon'], /fps/],
    [['--port', 'virtual', '--virtual-faults', 'drop=lots'], /drop/],
    [['--port', 'virtual', '--shm-name', 'a/b/c'], /a\/b\/c/],
    [['--port', '/dev/a', '--port', '/dev/a'], /twice/],
    [['--port', 'virtual', '--runner', "python3 'x"], /quote/i],
    [['--port', 'virtual', '--runner', 'a', '--', 'b'], /not both/],
    [['--port', 'virtual', '--config', '/nowhere.json'], /nowhere\.json/],
    [['exec', '/nowhere.py', '--port', 'virtual'], /nowhere\.py/],
  ])('%j', async (args, message) => {
    const { status, stderr, stdout } = await run(args);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
    expect(stdout).toBe('');
  });

  it('a folder that cannot be read is no wrong usage: 6', async () => {
    const { status, stderr } = await run(['--port', 'virtual', '--virtual-images', '/nowhere/at/all']);
    expect(stderr).toMatch(/\/nowhere\/at\/all.*FILE_FAILED/s);
    expect(status).toBe(6);
  });

  it('names the unknown option of a config file', async () => {
    const path = join(dir, 'config.json');
    await writeFile(path, '{"port": "virtual", "velocity": 9}');
    const { status, stderr } = await run(['--config', path]);
    expect(stderr).toMatch(/config\.json cannot be used: .*there is no option velocity/);
    expect(status).toBe(2);
  });
});

describe('no usable port ends with 3', () => {
  it.each([
    ['/dev/ttyACM99', 'PORT_NOT_FOUND'],
    ['/dev/null', 'PORT_FAILED'],
  ])('%s', async (port, code) => {
    const { status, stderr, stdout } = await run(['--port', port, '--json']);
    expect(status).toBe(3);
    expect(stderr).toContain(port);
    const lines = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines).toMatchObject([
      { type: 'start', schema: 1 },
      { type: 'error', code, timestampMs: expect.any(Number) },
    ]);
  });
});

describe('list', () => {
  it('ends with 0 whether there is a camera or not', async () => {
    const { status, stdout } = await run(['list', '--json']);
    expect(status).toBe(0);
    for (const line of stdout.split('\n').filter(Boolean)) expect(JSON.parse(line)).toHaveProperty('path');
  });
});
