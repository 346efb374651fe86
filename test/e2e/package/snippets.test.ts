/** The examples of README and docs, as they stand there, against the package as it is shipped. */
import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';
import { TestNats } from '../fleet/nats-server.js';
import { makeProject, type Project } from './installed.js';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../../..');
const SEGMENT = `/openmv_test_snippets_${process.pid}`;

interface Snippet {
  /** Page and line, as a name. */
  readonly where: string;
  readonly language: string;
  readonly text: string;
}

const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
  'tools/algorithms/README.md',
  'tools/readers/README.md',
].filter((name) => name.endsWith('.md'));

function snippetsOf(page: string): Snippet[] {
  const lines = readFileSync(join(ROOT, page), 'utf8').split('\n');
  const found: Snippet[] = [];
  let start: number | undefined;
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith('```')) continue;
    if (start === undefined) {
      start = index;
      continue;
    }
    const language = lines[start]!.slice(3) || 'text';
    found.push({ where: `${page}:${start + 2}`, language, text: lines.slice(start + 1, index).join('\n') });
    start = undefined;
  }
  return found;
}

const SNIPPETS = PAGES.flatMap(snippetsOf);
/** Where examples find a NATS server. */
const NATS = 'nats://192.168.1.10:4222';
const of = (language: string): Snippet[] => SNIPPETS.filter((snippet) => snippet.language === language);
const fileOf = ({ where }: Snippet): string => where.replace(/[^a-z0-9]+/gi, '_');
/** The same example with the camera and the segment of these tests. */
const local = (text: string): string =>
  text
    .replaceAll(/'\/dev\/ttyACM\d'/g, "'virtual'")
    .replaceAll("port: 'auto'", "port: 'virtual'")
    .replaceAll('/openmv_frame', SEGMENT)
    .replace(/port: 'virtual'/g, `port: 'virtual', shmName: '${SEGMENT}_own'`)
    // The camera alone has no segment.
    .replace(/(connectCamera\(\{ port: 'virtual'), shmName: '[^']*'/, '$1');

/** Runs a program until it has printed a line, then interrupts it, as a user does who has seen enough. */
async function taste(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: NodeJS.ProcessEnv },
): Promise<{ stdout: string; stderr: string; status: number | null; signal: NodeJS.Signals | null }> {
  const child = spawn(command, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (!stdout.includes('\n') && (stdout + text).includes('\n')) setTimeout(() => child.kill('SIGINT'), 500);
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    child.once('close', (status, signal) => resolve({ stdout, stderr, status, signal }));
  });
}

let project: Project;
let main: string;
beforeAll(async () => {
  project = await makeProject();
  main = join(project.installed, 'dist/cli/main.js');
  for (const snippet of of('ts')) {
    writeFileSync(join(project.folder, `${fileOf(snippet)}.mts`), local(snippet.text));
  }
});

/** A bridge that writes the segment which examples read. */
async function withBridge<T>(work: () => Promise<T>, further: readonly string[] = []): Promise<T> {
  const args = [main, '--port', 'virtual', '--shm-name', SEGMENT, '--json', ...further];
  const bridge = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise((resolve) => bridge.once('close', resolve));
  await new Promise<void>((resolve) => bridge.stdout.once('data', () => resolve()));
  bridge.stdout.resume();
  try {
    return await work();
  } finally {
    bridge.kill('SIGTERM');
    await ended;
  }
}

it('there are examples', () => {
  expect(of('ts').length).toBeGreaterThan(5);
  expect(of('python').length).toBeGreaterThan(0);
});

/** Examples that need a camera script of the reader's own: they are compiled only. */
const compiledOnly = ({ text }: Snippet): boolean => text.includes("channel('sensors')");

describe('examples in TypeScript', () => {
  beforeAll(async () => {
    expect(await project.compile()).toBe('');
  });

  const runnable = of('ts').filter((snippet) => !compiledOnly(snippet) && !snippet.text.includes(NATS));

  it.each(runnable.filter(({ text }) => text.includes('defineAlgorithm')))(
    '$where is an algorithm that keeps to the protocol',
    async (snippet) => {
      const program = join(project.folder, `${fileOf(snippet)}.mjs`);
      const command = [main, 'algo', 'check', '--', process.execPath, program];
      const { stdout } = await run(process.execPath, command, { cwd: project.folder });
      expect(stdout).toMatch(/hello/);
    },
  );

  it.each(runnable.filter(({ text }) => !text.includes('defineAlgorithm')))(
    '$where runs and prints',
    async (snippet) => {
      const work = () =>
        taste(process.execPath, [join(project.folder, `${fileOf(snippet)}.mjs`)], { cwd: project.installed });
      const reads = snippet.text.includes('Shm(');
      const { stdout, stderr, status, signal } = await (reads ? withBridge(work) : work());
      expect(stderr).toBe('');
      expect(stdout).toMatch(/\S/);
      // One that does not listen for Ctrl-C ends by it.
      expect(signal ?? status).toBe(signal === null ? 0 : 'SIGINT');
    },
  );
});

it('the example of frames at a NATS server prints them', async () => {
  const nats = await TestNats.start();
  const snippet = of('ts').find(({ text }) => text.includes('subscribeFrames'));
  const program = join(project.folder, 'nats.mjs');
  writeFileSync(program, snippet!.text.replace(NATS, nats.url));
  const { stdout } = await withBridge(
    () => taste(process.execPath, [program], { cwd: project.installed }),
    ['--nats', nats.url, '--site', 'hall-2', '--camera-id', 'CAMERA'],
  );
  expect(stdout).toMatch(/^\d+ 320 240 \d+ \d+$/m);
});

it('the example that publishes at brokers goes on without one of them', async () => {
  const nats = await TestNats.start();
  const snippet = of('ts').find(({ text }) => text.includes('openNats'));
  const program = join(project.folder, 'brokers.mjs');
  const text = local(snippet!.text)
    .replace(NATS, nats.url)
    .replace('mqtt://192.168.1.10', 'mqtt://127.0.0.1:9');
  writeFileSync(program, text);
  const { stdout, stderr, status } = await taste(process.execPath, [program], { cwd: project.installed });
  expect(stderr).toBe('');
  expect(stdout).toMatch(/connected: true[\s\S]*connected: false/);
  expect(status).toBe(0);
});

describe('examples in Python', () => {
  const whole = of('python').filter(({ text }) => text.startsWith('import openmv_shm'));

  it.each(whole)('$where runs and prints', async (snippet) => {
    needs('python3');
    const readers = join(project.installed, 'tools/readers');
    const program = local(snippet.text);
    const { stdout, stderr } = await withBridge(() =>
      taste('python3', ['-u', '-B', '-c', program], {
        cwd: dirname(readers),
        env: { ...process.env, PYTHONPATH: readers },
      }),
    );
    expect(stdout).toMatch(/^\d+ 320 240 \d+/);
    expect(stderr).toMatch(/^(Traceback[\s\S]*KeyboardInterrupt\s*)?$/);
  });
});

describe('examples of the command line', () => {
  const lines = of('text').flatMap(({ where, text }) =>
    text
      .split('\n')
      .filter((line) => line.startsWith('openmv-bridge '))
      .map((line) => ({ where, line: line.replace(/\s+#.*$/, '') })),
  );

  it('have options that exist', async () => {
    expect(lines.length).toBeGreaterThan(10);
    const help = async (...args: string[]): Promise<string> =>
      (await run(process.execPath, [main, ...args])).stdout;
    const known = new Map<string, string>();
    for (const { where, line } of lines) {
      const words = line.split(' -- ')[0]!.split(/\s+/).slice(1);
      const command = words[0]!.startsWith('-') ? ['run'] : words.slice(0, words[0] === 'algo' ? 2 : 1);
      const name = command.join(' ');
      if (!known.has(name)) {
        const short = await help(...command, '--help');
        known.set(name, short.includes('--help-all') ? await help(...command, '--help-all') : short);
      }
      const unknown = words.filter(
        (word) => word.startsWith('--') && !word.startsWith('--help') && !known.get(name)!.includes(word),
      );
      expect(unknown, `${where}: ${line}`).toEqual([]);
    }
  });
});

describe('examples in JSON', () => {
  it.each(of('json'))('$where is JSON', ({ text }) => {
    const values = text.includes('\n{"') ? text.split('\n') : [text];
    for (const value of values) expect(typeof JSON.parse(value)).toBe('object');
  });
});
