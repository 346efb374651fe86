/** Names in /dev/shm that another program removes or takes while a bridge writes to them: noticed, told once, made again. */
import { existsSync, lstatSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Bridge } from '../../../src/bridge/bridge.js';
import type { BridgeEvent } from '../../../src/bridge/events.js';
import { createBridge } from '../../../src/bridge/open-bridge.js';
import type { BridgeInput } from '../../../src/options/index.js';
import { waitForShm } from '../../../src/shm/open-shm.js';
import { openViznWriter } from '../../../src/shm/vizn/vizn-writer.js';
import { Program } from '../program/program.js';
import {
  Child,
  closing,
  compileReader,
  fixture,
  leftovers,
  pathOf,
  temporaryDirectory,
  uniqueName,
} from './support.js';

type Told = Extract<BridgeEvent, { type: 'error' | 'recovered' }>;

interface Running {
  readonly bridge: Bridge;
  /** Errors and recoveries, as they come. */
  readonly told: Told[];
  /** Where each frame was announced to be. */
  readonly places: (string | null)[];
}

async function running(options: BridgeInput): Promise<Running> {
  const bridge = closing(createBridge({ port: 'virtual', virtual: { fps: 50 }, ...options }));
  const told: Told[] = [];
  const places: (string | null)[] = [];
  bridge.events$.subscribe((event) => {
    if (event.type === 'error' || event.type === 'recovered') told.push(event);
  });
  bridge.frames$.subscribe(({ sharedMemId }) => places.push(sharedMemId));
  await bridge.start();
  await expect.poll(() => places.length, { timeout: 20_000 }).toBeGreaterThan(2);
  return { bridge, told, places };
}

/** Until it has told as many things. */
const tells = ({ told }: Running, count: number): Promise<void> =>
  expect.poll(() => told.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(count);

const delivered = ({ bridge }: Running): number => bridge.stats().delivered;

/** A reader in a process of its own, which says what it got for each line that it is told. */
async function reader(command: string, args: readonly string[]): Promise<(line: string) => Promise<unknown>> {
  const child = new Child(command, args);
  expect(await child.json()).toBe('open');
  return (line) => {
    child.say(line);
    return child.json();
  };
}

const python = (name: string) => reader('python3', ['-B', fixture('asked.py'), name]);
const cpp = (name: string) => reader(compileReader('asked.cpp'), [name]);

/** Until the reader has a frame that is newer than that. */
async function comesAfter(ask: (line: string) => Promise<unknown>, sequence: number): Promise<void> {
  let last: unknown = 0;
  while (Number(last) <= sequence) last = await ask('next 20');
}

const KINDS: Record<
  string,
  { options: (name: string) => BridgeInput; path: (name: string) => string; sink: string }
> = {
  'a segment': { options: (shmName) => ({ shmName }), path: pathOf, sink: 'segment' },
  'a segment of pixels': {
    options: (shmName) => ({ shmName, shmFormat: 'rgb3' }),
    path: pathOf,
    sink: 'segment',
  },
  'a ring': { options: (ring) => ({ ring, shm: false }), path: pathOf, sink: 'ring' },
  'an array': {
    options: (name) => ({ arrays: name.replace(/_image_shm$/, ''), shm: false }),
    path: pathOf,
    sink: 'arrays',
  },
  "an array's semaphore": {
    options: (name) => ({ arrays: name.replace(/_image_shm$/, ''), shm: false }),
    path: (name) => pathOf(`/sem.${name.slice(1).replace(/_shm$/, '_sem')}`),
    sink: 'arrays',
  },
};

const nameFor = (kind: string): string => `${uniqueName()}${kind.includes('array') ? '_image_shm' : ''}`;

describe.each(Object.keys(KINDS))('%s', (kind) => {
  const { options, path, sink } = KINDS[kind]!;

  test('whose name is removed is made again, and readers go on', async () => {
    const name = nameFor(kind);
    const run = await running(options(name));
    await expect.poll(() => existsSync(path(name)), { timeout: 20_000 }).toBe(true);
    const ask = await python(name);
    await comesAfter(ask, 0);
    const before = statSync(pathOf(name));
    rmSync(path(name));
    await tells(run, 2);
    const at = delivered(run);
    await comesAfter(ask, at);
    expect(await ask('status')).toBe('live');
    expect(run.told).toMatchObject([
      { type: 'error', error: { code: 'SHM_FAILED', message: expect.stringContaining(path(name)) } },
      { type: 'recovered', sink },
    ]);
    const after = statSync(pathOf(name));
    expect([after.size, after.mode]).toEqual([before.size, before.mode]);
    expect(after.ino).not.toBe(before.ino);
    expect(statSync(path(name)).isFile()).toBe(true);
    await run.bridge.close();
    expect(leftovers()).toEqual([]);
  });

  test('whose name another program takes leaves it alone, says so, and is made again when it is free', async () => {
    const name = nameFor(kind);
    const run = await running(options(name));
    await expect.poll(() => existsSync(path(name)), { timeout: 20_000 }).toBe(true);
    const ask = await python(name);
    await comesAfter(ask, 0);
    const foreign = Buffer.alloc(4_096, 'theirs');
    // In one step: there is no moment at which the name is free.
    writeFileSync(pathOf(`${name}_new`), foreign);
    renameSync(pathOf(`${name}_new`), path(name));
    await tells(run, 1);
    // Longer than the time between two attempts.
    await sleep(1_500);
    expect(run.told).toMatchObject([
      {
        type: 'error',
        error: { code: 'SHM_IN_USE', message: expect.stringMatching(/made by another program/) },
      },
    ]);
    expect(readFileSync(path(name)).equals(foreign)).toBe(true);
    expect(run.places.at(-1)).toBeNull();
    rmSync(path(name));
    await tells(run, 2);
    await comesAfter(ask, delivered(run));
    const [, recovered] = run.told;
    expect(recovered).toMatchObject({ type: 'recovered', sink, lost: expect.any(Number) });
    expect((recovered as { lost: number }).lost).toBeGreaterThan(10);
    expect(run.told).toHaveLength(2);
    await run.bridge.close();
    expect(leftovers()).toEqual([]);
  });

  test('closing while another program has the name leaves that and nothing else', async () => {
    const name = nameFor(kind);
    const run = await running(options(name));
    await expect.poll(() => existsSync(path(name)), { timeout: 20_000 }).toBe(true);
    rmSync(path(name));
    writeFileSync(path(name), 'theirs');
    await tells(run, 1);
    await run.bridge.close();
    expect(readFileSync(path(name), 'utf8')).toBe('theirs');
    rmSync(path(name));
    // Nothing comes back either.
    await sleep(1_200);
    expect(leftovers()).toEqual([]);
    expect(run.told).toHaveLength(1);
  });
});

test('the process that took the name is told by its owner record; C++ and Node readers go on as well', async () => {
  const name = uniqueName();
  const run = await running({ shmName: name });
  const ask = await cpp(name);
  const shm = closing(await waitForShm(name));
  const ours = shm.frames();
  await comesAfter(ask, 0);
  await ours.next();
  rmSync(pathOf(name));
  const other = closing(openViznWriter({ name, size: 4_096 }));
  await tells(run, 1);
  expect(run.told).toMatchObject([
    { error: { code: 'SHM_IN_USE', message: expect.stringContaining(`process ${process.pid}`) } },
  ]);
  other.close();
  await tells(run, 2);
  const at = delivered(run);
  await comesAfter(ask, at);
  for (let last = 0; last <= at; ) last = (await ours.next()).value?.sequence ?? 0;
  await expect.poll(() => shm.latest()?.sequence ?? 0).toBeGreaterThan(at);
});

test("a public package's writer that takes the arrays is not replaced, however long it rests", async () => {
  const base = uniqueName().slice(1);
  const run = await running({ arrays: base, shm: false });
  const segment = pathOf(`/${base}_image_shm`);
  await expect.poll(() => existsSync(segment), { timeout: 20_000 }).toBe(true);
  const other = new Child('python3', [fixture('posixipc.py'), base]);
  expect(await other.json()).toBe('up');
  const ask = (command: object): Promise<unknown> => {
    other.say(JSON.stringify({ channel: 'image', ...command }));
    return other.json();
  };
  // As the package does at its start, it removes what has the names, and then it writes once, of long ago.
  expect(await ask({ do: 'write', shape: [4], dtype: 'uint8', data: '01020304', timestamp: 5 })).toBe(true);
  const { ino } = lstatSync(segment);
  await tells(run, 1);
  await sleep(2_500);
  expect(lstatSync(segment).ino).toBe(ino);
  expect(run.told).toMatchObject([{ type: 'error', error: { code: 'SHM_IN_USE' } }]);
  await ask({ do: 'cleanup' });
  await tells(run, 2);
  expect(run.told).toMatchObject([{ type: 'error' }, { type: 'recovered', sink: 'arrays' }]);
  await run.bridge.close();
});

test('a segment that a client asked for is made again with its size; one that is refused leaves the wait for the old name', async () => {
  const [name, other] = [uniqueName(), uniqueName()];
  const run = await running({ shmName: name });
  await run.bridge.openSegment(other, 200_000);
  rmSync(pathOf(other));
  await tells(run, 2);
  expect(statSync(pathOf(other)).size).toBe(200_000);
  expect(run.bridge.segment).toEqual({ name: other, size: 200_000 });
  // The present name goes to another program, and the same is asked for again.
  rmSync(pathOf(other));
  const taker = openViznWriter({ name: other, size: 4_096 });
  await expect(run.bridge.openSegment(other, 300_000)).rejects.toMatchObject({ code: 'SHM_IN_USE' });
  taker.close();
  await expect
    .poll(() => existsSync(pathOf(other)) && statSync(pathOf(other)).size, { timeout: 20_000 })
    .toBe(200_000);
  await run.bridge.close();
  expect(leftovers()).toEqual([]);
});

test('JSON lines and people are told once, and the run ends as it should', async () => {
  const name = uniqueName();
  const program = new Program([
    ...['--port', 'virtual', '--json', '--shm-name', name, '--save', temporaryDirectory()],
  ]);
  await program.line(({ type }) => type === 'frame');
  rmSync(pathOf(name));
  await program.line(({ type }) => type === 'recovered');
  program.kill('SIGINT');
  const { status, stderr } = await program.ended;
  expect(status).toBe(0);
  expect(program.of('error')).toMatchObject([{ code: 'SHM_FAILED', message: expect.stringContaining(name) }]);
  expect(program.of('recovered')).toMatchObject([{ sink: 'segment' }]);
  expect(stderr.match(/was in use here/g)).toHaveLength(1);
  expect(stderr).toContain('segment: works again');
});
