/** Readers of stdout and stderr that are slow, that go, and disks that fill up. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, it } from 'vitest';
import { needs } from '../../support/needs.js';
import { MAIN } from './program.js';
import { leftovers, segmentName, useScratch } from './support.js';

const scratch = useScratch();
const children: ChildProcess[] = [];
const descriptors: number[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  for (const fd of descriptors.splice(0)) closeSync(fd);
});

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<{ status: number | null; stderr: string }>;
}

function start(args: readonly string[], stdout: number | 'pipe', stderr: number | 'pipe' = 'pipe'): Started {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', stdout, stderr] });
  children.push(child);
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  return {
    child,
    ended: new Promise((resolve) => {
      child.on('exit', (status) => resolve({ status, stderr: text }));
    }),
  };
}

/** A FIFO that is open for reading and that no one reads from. */
function stalledPipe(name: string): { readonly write: number; readonly read: number } {
  const path = scratch.path(name);
  execFileSync('mkfifo', [path]);
  const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const write = openSync(path, constants.O_WRONLY);
  descriptors.push(read, write);
  return { read, write };
}

/** Captures that the virtual camera has written down so far. */
function captures(ledger: string): number {
  try {
    return readFileSync(ledger, 'utf8').split('\n').length;
  } catch {
    return 0;
  }
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The count when it has not changed for a second. */
async function settled(count: () => number): Promise<number> {
  for (let before = -1; ; ) {
    const now = count();
    if (now > 0 && now === before) return now;
    before = now;
    await sleep(1_000);
  }
}

describe('a reader of --json that stalls', () => {
  const arguments_ = (ledger: string, shm: string) => [
    ...['--port', 'virtual', '--json', '--virtual-fps', 'max'],
    ...['--virtual-ledger', ledger, '--shm-name', shm],
  ];

  it('keeps frames at the sensor, and SIGINT ends the run all the same', async () => {
    const ledger = scratch.path('ledger-stalled');
    const shm = segmentName();
    const { write } = stalledPipe('stalled');
    const { child, ended } = start(arguments_(ledger, shm), write);
    await expect(settled(() => captures(ledger))).resolves.toBeLessThan(5_000);
    child.kill('SIGINT');
    expect((await ended).status).toBe(0);
    expect(leftovers(shm, child.pid)).toEqual([]);
  });

  it('loses no frame line when it goes on reading', async () => {
    const ledger = scratch.path('ledger-slow');
    const { child, ended } = start([...arguments_(ledger, segmentName()), '--frames', '2000'], 'pipe');
    await settled(() => captures(ledger));
    const sequences: number[] = [];
    for await (const text of createInterface({ input: child.stdout! })) {
      const line = JSON.parse(text);
      if (line.type === 'frame') sequences.push(line.sequence);
    }
    expect((await ended).status).toBe(0);
    expect(sequences).toEqual(Array.from({ length: 2_000 }, (_, index) => index + 1));
  });
});

describe('a stderr that is closed', () => {
  it('is nothing to the run', async () => {
    const { child, ended } = start(
      [
        '--port',
        'virtual',
        '--no-shm',
        '--json',
        '--frames',
        '40',
        '--log-level',
        'debug',
        '--control',
        scratch.path('control'),
      ],
      'pipe',
    );
    let stdout = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr!.destroy();
    expect((await ended).status).toBe(0);
    await expect.poll(() => stdout.match(/"type":"frame"/g)?.length).toBe(40);
  });
});

describe('a stdout on a full disk', () => {
  it('ends with FILE_FAILED and 6, in plain words', () => {
    needs('a mount namespace');
    const script =
      'mkdir -p "$2" && mount -t tmpfs -o size=16k tmpfs "$2" && exec "$0" "$1" --port virtual --no-shm --json --virtual-fps max > "$2/out"';
    const { status, stderr } = spawnSync(
      'unshare',
      ['-m', 'sh', '-c', script, process.execPath, MAIN, scratch.path('full')],
      { encoding: 'utf8' },
    );
    expect(stderr).toMatch(/disk is full.*\[FILE_FAILED\]/s);
    expect(stderr).not.toMatch(/defect|\n\s+at /);
    expect(stderr.match(/FILE_FAILED/g)).toHaveLength(1);
    expect(status).toBe(6);
  });
});

/** Modules that are loaded before the first line of `file` runs; packages and Node's own by name. */
function loadedFirst(file: string, found = new Set<string>()): Set<string> {
  if (found.has(file)) return found;
  found.add(file);
  const text = readFileSync(file, 'utf8');
  for (const [, target] of text.matchAll(/^import(?! type)[^;]*?'([^']+)';/gm)) {
    if (target!.startsWith('.')) loadedFirst(resolve(dirname(file), target!), found);
    else found.add(target!);
  }
  return found;
}

describe('Ctrl-C', () => {
  it('is listened for before any package is loaded', () => {
    const packages = [...loadedFirst(MAIN)].filter((name) => !/^(\/|node:)/.test(name));
    expect(packages).toEqual([]);
  });

  it('while the program is being loaded ends it with 0', async () => {
    // The signal comes as soon as somebody listens for it.
    const early =
      "data:text/javascript,const{on}=process;process.on=function(name,...rest){const%20r=on.call(this,name,...rest);if(name==='SIGINT'){process.on=on;process.kill(process.pid,name)}return%20r}";
    const child = spawn(process.execPath, [MAIN, 'info', '--port', 'virtual'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { ...process.env, NODE_OPTIONS: `--import=${early}` },
    });
    children.push(child);
    let stdout = '';
    child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    const end = await new Promise((done) => {
      child.on('close', (status, signal) => done({ status, signal }));
    });
    expect(end).toEqual({ status: 0, signal: null });
    expect(stdout).toBe('');
  });
});
