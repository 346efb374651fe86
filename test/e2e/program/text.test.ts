/** What people are told: when, how much, on a terminal and elsewhere; and signals that mean nothing. */
import { spawn, spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { MAIN, Program, run } from './program.js';
import { PORT, useScratch } from './support.js';

const scratch = useScratch();
const base = ['--port', PORT, '--no-shm'];
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /;

describe('not on a terminal', () => {
  it('each line has a time', async () => {
    const { status, stdout, stderr } = await run([...base, '--duration', '2500ms']);
    expect(status, stderr).toBe(0);
    const lines = (stdout + stderr).split('\n').filter(Boolean);
    expect(lines.length).toBeGreaterThan(2);
    for (const line of lines) expect(line).toMatch(TIME);
  });

  it('--log-level warn says nothing when all is well', async () => {
    const { status, stdout, stderr } = await run([...base, '--duration', '2s', '--log-level', 'warn']);
    expect([status, stdout, stderr]).toEqual([0, '', '']);
  });

  it('--stats off tells no figures, --stats 2s tells them every other second', async () => {
    const off = await run([...base, '--duration', '2s', '--stats', 'off']);
    expect(off.stdout).toBe('');
    const two = new Program([...base, '--duration', '4500ms', '--stats', '2s', '--json']);
    expect((await two.ended).status).toBe(0);
    const delivered = two.of('stats').map((line) => line['delivered']);
    // After 2 s, after 4 s, at the end.
    expect(delivered).toHaveLength(3);
  });
});

describe('on a terminal', () => {
  /** Runs under `script`, which is a terminal of 40 columns. */
  function onTerminal(args: readonly string[]): string {
    const command = ['stty cols 40;', process.execPath, MAIN, ...args].join(' ');
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8' });
    return stdout;
  }

  it('each camera has lines of its own, which fit', () => {
    const text = onTerminal(['--port', PORT, '--port', 'virtual', '--no-shm', '--duration', '2500ms']);
    expect(text).not.toMatch(TIME);
    const drawn = text.split('\u001b[J').filter((part) => part.includes('frames/'));
    expect(drawn.length).toBeGreaterThan(1);
    const last = drawn.at(-1)!.split(/\r?\n/);
    for (const figure of [/frames\//, /MB\/s/, /delivered \d/, /dropped \d/]) {
      const lines = last.filter((line) => figure.test(line));
      expect(lines).toHaveLength(2);
      for (const line of lines) expect(line.split('\u001b')[0]!.length).toBeLessThan(40);
    }
    // What is drawn again takes the place of all of them.
    expect(text.replaceAll('\u001b', 'ESC')).toMatch(/ESC\[\d+AESC\[J/);
  });

  it('snapshot - is refused', () => {
    expect(onTerminal(['snapshot', '-', '--port', PORT])).toMatch(/terminal.*OPTION_INVALID/s);
  });
});

describe('options without effect are refused', () => {
  it.each([
    [['--ring-slots', '8'], /--ring-slots has no effect without --ring/],
    [['--speed', '2'], /speed has no effect without a recording to replay: .* replay:FILE\. \(--speed\)/],
    [['--loop'], /loop has no effect without a recording to replay.*\(--loop\)/],
    [['--shm-name', '/x', '--no-shm'], /--shm-name has no effect with --no-shm/],
    [['--script', 'a.py', '--no-script'], /'--script'.*'--no-script' exclude each other/],
    [['--no-stream'], /--no-stream has no effect without --control/],
    [['--pipeline-delivery', 'every'], /--pipeline-delivery has no effect without --pipeline or --control/],
    [['--duration', '5x'], /--duration.*90s, 15m or 1h/s],
    [['--stats', '10ms'], /--stats.*off/s],
  ])('%j', async (args, message) => {
    const { status, stderr } = await run(['--port', 'virtual', ...args]);
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });
});

describe('exec', () => {
  it('-c runs code, - what comes on stdin', async () => {
    const code = await run(['exec', '-c', 'print(6 * 7)', '--port', PORT]);
    expect([code.status, code.stdout.trim()]).toEqual([0, '42']);
    const child = spawn(process.execPath, [MAIN, 'exec', '-', '--port', PORT]);
    let stdout = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stdin.end('print("from stdin")\n');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(0);
    expect(stdout.trim()).toBe('from stdin');
  });

  it('a script that is not there has the same code and status as in run', async () => {
    const exec = await run(['exec', '/nowhere.py', '--port', 'virtual']);
    const main = await run(['--script', '/nowhere.py', '--port', 'virtual', '--no-shm']);
    for (const { status, stderr } of [exec, main]) {
      expect(stderr).toMatch(
        /The script \/nowhere\.py cannot be read: there is no such file\. \[OPTION_INVALID\]/,
      );
      expect(status).toBe(2);
    }
  });
});

describe('snapshot', () => {
  it('writes a PNG, and refuses what it cannot make', async () => {
    const path = scratch.path('s.png');
    expect((await run(['snapshot', path, '--port', PORT])).status).toBe(0);
    const { default: sharp } = await import('sharp');
    expect(await sharp(path).metadata()).toMatchObject({ format: 'png', width: 320, height: 240 });
    const refused = await run(['snapshot', scratch.path('s.bmp'), '--port', PORT]);
    expect(refused.stderr).toMatch(/\.jpg, \.png.*not \.bmp.*OPTION_INVALID/s);
    expect(refused.status).toBe(2);
  });
});

describe('version and completion', () => {
  it('version names the program and what it runs on', async () => {
    expect((await run(['version'])).stdout).toMatch(/^openmv-bridge \d+\.\d+\.\d+, Node v\d+.*\n$/);
  });

  it('bash completes subcommands, options and choices', async () => {
    const { stdout } = await run(['completion', 'bash']);
    const complete = (...words: string[]): string => {
      const quoted = words.map((word) => `'${word}'`).join(' ');
      const script = `${stdout}\nCOMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}; _openmv_bridge; echo "\${COMPREPLY[@]}"`;
      return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim();
    };
    expect(complete('openmv-bridge', 'sna')).toBe('snapshot');
    expect(complete('openmv-bridge', 'run', '--shm-f')).toBe('--shm-format');
    expect(complete('openmv-bridge', 'run', '--shm-format', 'r')).toBe('rgb3 rgba');
    expect(complete('openmv-bridge', 'algo', 'ch')).toBe('check');
    expect(complete('openmv-bridge', 'ctl', 'get_st')).toBe('get_status get_stats');
  });

  it.each(['zsh', 'fish'])('%s has a script', async (shell) => {
    const { status, stdout } = await run(['completion', shell]);
    expect(status).toBe(0);
    expect(stdout).toContain('shm-format');
  });
});

it('SIGUSR1 and SIGUSR2 do no harm', async () => {
  const program = new Program([...base, '--json']);
  await program.line((line) => line.type === 'frame');
  program.kill('SIGUSR1');
  program.kill('SIGUSR2');
  const before = program.of('frame').length;
  await program.line((line) => line.type === 'frame' && line['sequence'] > before + 20);
  expect(program.stderr).not.toContain('Debugger');
  program.kill('SIGINT');
  expect((await program.ended).status).toBe(0);
});

it('--wait starts before any camera is there', async () => {
  const link = scratch.path('later');
  const program = new Program(['--port', link, '--no-shm', '--json', '--wait']);
  await expect.poll(() => program.stderr, { timeout: 20_000 }).toContain('waiting for the camera on');
  const camera = new Program(['virtual', '--link', link]);
  await program.line((line) => line.type === 'frame' && line['sequence'] >= 3);
  program.kill('SIGINT');
  expect((await program.ended).status).toBe(0);
  camera.kill('SIGINT');
  await camera.ended;
});

it('--wait is ended by a signal while no camera is there', async () => {
  const program = new Program(['--port', scratch.path('never'), '--no-shm', '--wait']);
  await expect.poll(() => program.stderr, { timeout: 20_000 }).toContain('waiting for the camera on');
  program.kill('SIGTERM');
  expect((await program.ended).status).toBe(0);
});
