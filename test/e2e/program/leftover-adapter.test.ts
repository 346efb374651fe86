/** An algorithm that hangs while its bridge is killed: the next bridge ends it, and nothing else. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { encodeOwner, findOwner } from '../../../src/shm/memory/owner.js';
import { needs } from '../../support/needs.js';
import { MAIN } from './program.js';
import { useScratch } from './support.js';

const scratch = useScratch();
const children: ChildProcess[] = [];
const pids: number[] = [];
const SDK = fileURLToPath(new URL('../runner/fixtures/sdk_adapter.py', import.meta.url));
/** A pid that no process of this machine can have. */
const DEAD = { pid: 4_194_305, startTime: 1, pidNamespace: 0 };
let tests = 0;
/** What stands at /dev/shm for the bridges of one test: any other bridge that starts meanwhile would clear up as well. */
let shm = '';

beforeEach(() => {
  needs('a mount namespace');
  shm = scratch.path(`shm-${tests++}`);
  mkdirSync(shm);
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
  }
  for (const pid of pids.splice(0)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // Ended, as it should be.
    }
  }
});

interface Running {
  readonly pid: number;
  readonly said: { stdout: string; stderr: string };
  readonly ended: Promise<number | null>;
  kill(signal: NodeJS.Signals): void;
}

function start(...args: string[]): Running {
  const bind = 'mount --bind "$0" /dev/shm && exec "$@"';
  const bridge = [process.execPath, MAIN, '--port', 'virtual', '--no-shm', ...args];
  const child = spawn('unshare', ['-m', 'sh', '-c', bind, shm, ...bridge], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  return { pid: child.pid!, said, ended, kill: (signal) => child.kill(signal) };
}

/** Runs a bridge until its algorithm hangs in a call, kills it, and gives the algorithm's pid. */
async function killedInCall(behaviour: string, ...args: string[]): Promise<number> {
  needs('python3');
  const bridge = start(...args, '--', 'python3', SDK, '0.3', behaviour);
  await expect.poll(() => bridge.said.stderr, { timeout: 30_000 }).toContain('algorithm: hanging');
  const [record] = records();
  expect(record).toMatch(new RegExp(`^openmv-bridge-${bridge.pid}-adapter-\\d+$`));
  const pid = Number(record!.split('-').at(-1));
  pids.push(pid);
  bridge.kill('SIGKILL');
  await bridge.ended;
  return pid;
}

const records = (): string[] => readdirSync(shm).filter((name) => name.includes('-adapter-'));

it.each([
  ['hangs', 'hang', []],
  ['hangs and ignores SIGTERM', 'hang-stubborn', []],
  ['hangs, with an image directory of its own,', 'hang', ['--image-dir', 'images']],
])(
  'an algorithm that %s in a call is ended by the next bridge, which says so',
  async (_name, behaviour, extra) => {
    const [option, name] = extra;
    const pid = await killedInCall(behaviour, ...(option === undefined ? [] : [option, scratch.path(name!)]));
    expect(findOwner(pid)).toBeDefined();
    const next = start('--frames', '1');
    expect(await next.ended, next.said.stderr).toBe(0);
    expect(findOwner(pid)).toBeUndefined();
    expect(records()).toEqual([]);
    expect(next.said.stderr).toMatch(new RegExp(`process ${pid} \\(python3 .*sdk_adapter\\.py.*was ended`));
  },
);

it('one whose record was removed, as by a logout that empties /dev/shm, is ended as well', async () => {
  needs('python3');
  const bridge = start('--', 'python3', SDK, '0.3', 'hang');
  await expect.poll(() => bridge.said.stderr, { timeout: 30_000 }).toContain('algorithm: hanging');
  const before = records();
  for (const name of readdirSync(shm)) rmSync(join(shm, name), { recursive: true });
  await expect.poll(records, { timeout: 30_000 }).toEqual(before);
  const pid = Number(before[0]!.split('-').at(-1));
  pids.push(pid);
  bridge.kill('SIGKILL');
  await bridge.ended;
  const next = start('--frames', '1');
  expect(await next.ended, next.said.stderr).toBe(0);
  expect(findOwner(pid)).toBeUndefined();
  expect(records()).toEqual([]);
});

it('a process that only has the number of one is left alone', async () => {
  const child = spawn('sleep', ['600'], { stdio: 'ignore', detached: true });
  const pid = child.pid!;
  pids.push(pid);
  const real = findOwner(pid)!;
  const another = encodeOwner({ ...real, startTime: real.startTime - 1 });
  const record = Buffer.concat([encodeOwner(DEAD), another, Buffer.from('another')]);
  writeFileSync(join(shm, `openmv-bridge-${DEAD.pid}-adapter-${pid}`), record, { mode: 0o600 });
  const next = start('--frames', '1');
  expect(await next.ended, next.said.stderr).toBe(0);
  expect(findOwner(pid)).toEqual(real);
  expect(next.said.stderr).not.toContain('was ended');
  expect(records()).toEqual([]);
});

it('the algorithm of a bridge that lives is left alone', async () => {
  needs('python3');
  const living = start('--json', '--', 'python3', SDK, '0.3');
  const results = () => living.said.stdout.split('{"type":"result"').length;
  await expect.poll(results, { timeout: 30_000 }).toBeGreaterThan(1);
  const [record] = records();
  const adapter = findOwner(Number(record!.split('-').at(-1)));
  const other = start('--frames', '1');
  expect(await other.ended, other.said.stderr).toBe(0);
  const seen = results();
  await expect.poll(results, { timeout: 30_000 }).toBeGreaterThan(seen + 1);
  expect(records()).toEqual([record]);
  expect(findOwner(adapter!.pid)).toEqual(adapter);
  living.kill('SIGTERM');
  expect(await living.ended).toBe(0);
  expect(records()).toEqual([]);
});
