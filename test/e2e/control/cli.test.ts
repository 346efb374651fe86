/** The command line: --control, --pipeline, the statistics line, ctl. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';
import { MAIN, Program, run } from '../program/program.js';
import { atEnd, Client, scratch, socketPath } from './support.js';

function start(...args: string[]): Program {
  const program = new Program(['--port', 'virtual', '--no-shm', ...args]);
  atEnd(async () => {
    program.kill('SIGKILL');
    await program.ended;
  });
  return program;
}

async function controlledProgram(...args: string[]): Promise<{ program: Program; path: string }> {
  const path = socketPath();
  const program = start('--control', path, ...args);
  await expect.poll(() => program.stderr, { timeout: 20_000 }).toContain('connected to');
  return { program, path };
}

const ctl = async (path: string, ...words: string[]) => {
  const { status, stdout, stderr } = await run(['ctl', '--socket', path, ...words]);
  return {
    status,
    stderr,
    reply: stdout ? (JSON.parse(stdout.split('\n')[0]!) as Record<string, unknown>) : {},
  };
};

describe('openmv-bridge ctl', () => {
  it('sends commands with name=value and says by its status how they ended', async () => {
    const { program, path } = await controlledProgram();
    expect(await ctl(path, 'set_brightness', 'value=50')).toMatchObject({
      status: 0,
      reply: { status: 'success', message: 'Brightness set successfully' },
    });
    expect(await ctl(path, 'get_sta')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('get_stats'),
    });
    expect(await ctl(path, 'get_statu')).toMatchObject({ status: 0, reply: { streaming: true } });
    expect(await ctl(path, 'set_brightness', 'value=999')).toMatchObject({
      status: 1,
      reply: { status: 'error' },
    });
    expect(await ctl(path, 'set_brightness', '50')).toMatchObject({ status: 2 });
    expect(await ctl(path, 'stop_stream')).toMatchObject({ status: 0 });
    expect(await ctl(path, 'get_status')).toMatchObject({ reply: { streaming: false } });
    program.kill('SIGTERM');
    expect((await program.ended).status).toBe(0);
    expect(existsSync(path)).toBe(false);
    expect(await ctl(path, 'get_status')).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/No bridge serves the control socket .*\(--control\)/),
    });
  });

  it('lists all commands in its help, and completes their names', async () => {
    const { stdout } = await run(['ctl', '--help']);
    for (const name of ['get_formats', 'set_ehdr_ratio_max', 'get_shared_memory_status', 'subscribe']) {
      expect(stdout).toContain(name);
    }
    const { stdout: completion } = await run(['ctl', '--completion']);
    const completed = spawnSync(
      'bash',
      [
        '-c',
        `${completion}\nCOMP_WORDS=(openmv-bridge ctl set_ehdr_r) COMP_CWORD=2; _openmv_bridge; echo "\${COMPREPLY[@]}"`,
      ],
      { encoding: 'utf8' },
    );
    expect(completed.stdout.trim()).toBe('set_ehdr_ratio_min set_ehdr_ratio_max');
  });
});

describe('openmv-bridge run', () => {
  it('prints the statistics once a second on stderr while it streams', async () => {
    const { program } = await controlledProgram();
    await expect
      .poll(() => program.stderr, { timeout: 20_000 })
      .toMatch(/^\S+Z FPS: \d+ \| Total frames: [1-9]\d* \| Frame size: [1-9]\d* bytes$/m);
  });

  it('waits for start_stream with --no-stream', async () => {
    const { program, path } = await controlledProgram('--no-stream', '--json');
    expect(await ctl(path, 'get_status')).toMatchObject({ reply: { streaming: false } });
    expect(program.of('frame')).toEqual([]);
    await ctl(path, 'start_stream');
    expect(await program.line(({ type }) => type === 'frame')).toMatchObject({ sequence: 1 });
  });

  it('refuses a socket that another bridge serves', async () => {
    const { path } = await controlledProgram();
    const second = await run(['--port', 'virtual', '--no-shm', '--control', path]);
    expect(second).toMatchObject({ status: 6, stderr: expect.stringContaining('running program') });
    expect(await ctl(path, 'get_status')).toMatchObject({ status: 0 });
  });

  it('gives frames to --pipeline and lets it finish', async () => {
    needs('gstreamer');
    const dir = join(scratch, 'frames');
    await mkdir(dir);
    const pipeline = `videoconvert ! jpegenc ! multifilesink location=${dir}/%03d.jpg`;
    const { status, stderr } = await run([
      '--port',
      'virtual',
      '--no-shm',
      '--frames',
      '12',
      '--pipeline',
      pipeline,
    ]);
    expect(status, stderr).toBe(0);
    const files = readdirSync(dir);
    // Frames may be dropped while GStreamer sets itself up.
    expect(files.length).toBeGreaterThan(3);
    expect(files.every((name) => statSync(join(dir, name)).size > 500)).toBe(true);
  });

  it('reports a wrong pipeline when streaming starts', async () => {
    needs('gstreamer');
    const { path } = await controlledProgram('--no-stream');
    await ctl(path, 'set_pipeline', 'pipeline=nosuchelement ! fakesink');
    expect(await ctl(path, 'start_stream')).toMatchObject({
      status: 1,
      reply: { status: 'error', message: expect.stringContaining('nosuchelement') },
    });
    expect(await ctl(path, 'get_status')).toMatchObject({ reply: { streaming: false } });
    await ctl(path, 'set_pipeline', 'pipeline=videoconvert ! fakesink');
    expect(await ctl(path, 'start_stream')).toMatchObject({ status: 0 });
    await expect
      .poll(async () => (await ctl(path, 'get_stats')).reply['pipeline'])
      .toMatchObject({ running: true });
    const refused = await run(['--port', 'virtual', '--no-shm', '--pipeline', 'nosuchelement ! fakesink']);
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('nosuchelement') });
  });
});

describe('clients that do not go', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)('do not keep a bridge that gets %s', async (signal) => {
    const { program, path } = await controlledProgram();
    const clients = Array.from({ length: 66 }, () => new Client(path));
    // One that reads none of its replies, one in the middle of a command, one that gets events.
    clients[0]!.socket.pause();
    clients[0]!.write('{"command":"get_formats"}\n'.repeat(2_000));
    clients[1]!.write('{"command":"get_st');
    clients[2]!.write('{"command":"subscribe"}\n');
    expect(await clients[3]!.send('get_status')).toMatchObject({ status: 'success' });
    program.kill(signal);
    expect((await program.ended).status).toBe(0);
    expect(existsSync(path)).toBe(false);
  });
});

describe('what ctl says', () => {
  it('to a reply that does not come: the time that it waited', async () => {
    const path = socketPath();
    const silent = createServer((socket) => socket.on('error', () => undefined));
    await new Promise<void>((resolve) => silent.listen(path, resolve));
    atEnd(() => silent.close());
    expect(await ctl(path, '--timeout', '0.5', 'get_status')).toMatchObject({
      stderr: expect.stringMatching(/not replied within 0\.5 s.*PORT_FAILED/s),
    });
    expect(await ctl(path, '--timeout', 'soon', 'get_status')).toMatchObject({ status: 2 });
  });

  it.skipIf(process.geteuid?.() !== 0)(
    'to a socket of another user: no permission (needs root)',
    async () => {
      const { path } = await controlledProgram();
      const [node, ...words] = [process.execPath, MAIN, 'ctl', '--socket', path, 'get_status'];
      const { stderr } = spawnSync(node!, words, { uid: 65_534, gid: 65_534, encoding: 'utf8' });
      // A scratch folder that the other user cannot enter is refused in the same words.
      expect(stderr).toMatch(/no permission to use the control socket.*PORT_DENIED/s);
    },
  );

  it('to a mistyped command: names like it', async () => {
    const { stderr, status } = await run(['ctl', 'set_brigthness', 'value=1']);
    expect(stderr).toContain('Do you mean set_brightness?');
    expect(status).toBe(2);
  });
});
