/** Writers are killed, or stand still, before each of their changes in `/dev/shm`: what they were making is cleared. */
import {
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openArrayWriter } from '../../../src/shm/arrays/array-writer.js';
import { thisOwner } from '../../../src/shm/memory/owner.js';
import { openRingWriter } from '../../../src/shm/ring/ring-writer.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { Child, isRoot, leftovers, startNode, temporaryDirectory, uniqueName } from './support.js';

const KINDS = ['vizn', 'ring', 'arrays'] as const;
type Kind = (typeof KINDS)[number];

/** What stands in `/dev/shm` and has the number of a process in its name. */
const namedAfter = (pid: number): string[] =>
  readdirSync('/dev/shm').filter((entry) => new RegExp(`openmv-bridge.*-${pid}-`).test(entry));

function startAnyWriter(): void {
  openViznWriter({ name: uniqueName(), size: 4_096 }).close();
}

async function startTheSame(kind: Kind, name: string): Promise<void> {
  if (kind === 'vizn') openViznWriter({ name, size: 4_096 }).close();
  if (kind === 'ring') openRingWriter({ name, slotSize: 1_000 }).close();
  if (kind !== 'arrays') return;
  const writer = openArrayWriter({ base: name.slice(1) });
  await writer.setImage(Uint8Array.of(1));
  writer.close();
}

async function stepsOf(kind: Kind): Promise<number> {
  const child = startNode('dying.mjs', uniqueName(), kind, '0', 'SIGKILL');
  const steps = await child.json<number>();
  await child.exited;
  return steps;
}

test.each(KINDS)(
  '%s: what a writer killed at any step was making goes with the next start of any writer',
  {
    timeout: 120_000,
  },
  async (kind) => {
    const steps = await stepsOf(kind);
    let unfinished = 0;
    for (let step = 1; step <= steps; step++) {
      const name = uniqueName();
      const child = startNode('dying.mjs', name, kind, String(step), 'SIGKILL');
      expect(await child.exited).toBeNull();
      if (namedAfter(child.pid).length > 0) unfinished++;
      startAnyWriter();
      expect(namedAfter(child.pid)).toEqual([]);
      await startTheSame(kind, name);
      expect(leftovers()).toEqual([]);
    }
    expect(unfinished).toBeGreaterThan(0);
  },
);

test('what a living process is making stays, however long it takes', { timeout: 120_000 }, async () => {
  const steps = await stepsOf('arrays');
  let unfinished = 0;
  for (let step = 1; step <= steps; step++) {
    const child = startNode('dying.mjs', uniqueName(), 'arrays', String(step), 'SIGSTOP');
    const state = (): string => readFileSync(`/proc/${child.pid}/stat`, 'latin1').split(') ')[1]!.slice(0, 1);
    await expect.poll(state, { timeout: 30_000 }).toBe('T');
    const before = namedAfter(child.pid);
    startAnyWriter();
    expect(namedAfter(child.pid)).toEqual(before);
    unfinished += before.length;
    child.process.kill('SIGCONT');
    expect(await child.json()).toBe(steps);
    await child.exited;
  }
  expect(unfinished).toBeGreaterThan(0);
  expect(leftovers()).toEqual([]);
});

test('a name alone gives nothing away: what lives, is locked, foreign or no file stays', async () => {
  const { pid, startTime } = thisOwner();
  // No process has this pid: Linux stops at 4194304.
  const path = (who: string, suffix: string): string =>
    `/dev/shm/.openmv-bridge-new-${who}-${pid.toString(16).padStart(8, '0')}${suffix}`;
  const target = join(temporaryDirectory(), 'target');
  writeFileSync(target, 'x');
  const made = {
    dead: path('4194305-1', 'ab01'),
    pidUsedAgain: path(`${pid}-${startTime + 1}`, 'ab02'),
    ours: path(`${pid}-${startTime}`, 'ab03'),
    startUnknown: path(`${pid}-0`, 'ab04'),
    locked: path('4194305-1', 'ab05'),
    anotherName: `/dev/shm/.openmv-bridge-new-notes-${pid}`,
    directory: path('4194305-1', 'ab06'),
    link: path('4194305-1', 'ab07'),
    stranger: path('4194305-1', 'ab08'),
  };
  try {
    mkdirSync(made.directory);
    symlinkSync(target, made.link);
    // These two are made under other names: writers of other tests sweep, too.
    const lock = [
      'import fcntl, os, sys, time',
      'f = open(sys.argv[1] + ".locked", "w")',
      'fcntl.flock(f, fcntl.LOCK_EX)',
      'os.rename(f.name, sys.argv[1])',
      'print("locked", flush=True)',
      'time.sleep(60)',
    ];
    const holder = new Child('python3', ['-c', lock.join('\n'), made.locked]);
    expect(await holder.line()).toBe('locked');
    writeFileSync(`${made.stranger}.new`, 'x');
    if (isRoot) chownSync(`${made.stranger}.new`, 12_345, 12_345);
    renameSync(`${made.stranger}.new`, made.stranger);
    for (const one of Object.values(made)) if (!existsSync(one)) writeFileSync(one, 'x');
    const gone = (): string[] =>
      Object.entries(made)
        .filter(([, one]) => !existsSync(one))
        .map(([what]) => what);
    startAnyWriter();
    const own = isRoot ? [] : ['stranger'];
    expect(gone()).toEqual(['dead', 'pidUsedAgain', ...own]);
    expect(readFileSync(target, 'utf8')).toBe('x');
    await holder.kill();
    startAnyWriter();
    expect(gone()).toEqual(['dead', 'pidUsedAgain', 'locked', ...own]);
  } finally {
    for (const one of Object.values(made)) rmSync(one, { recursive: true, force: true });
  }
});
