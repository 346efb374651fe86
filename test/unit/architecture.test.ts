/** The rooms of src: which may use which, by one entry each, and without circles. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** What each room may import besides itself and the common modules. Arrows point one way. */
const ALLOWED: Record<string, readonly string[]> = {
  protocol: [],
  // Declarations only.
  options: ['protocol', 'adapter'],
  link: ['protocol'],
  replay: ['protocol', 'link', 'options'],
  port: ['protocol', 'link'],
  virtual: ['protocol', 'link', 'port', 'options'],
  camera: ['protocol', 'link', 'port', 'virtual', 'options', 'replay'],
  frames: ['protocol', 'link', 'camera'],
  shm: [],
  adapter: [],
  // Of shm only who a process is: its owner records.
  runner: ['adapter', 'shm', 'options'],
  gstreamer: [],
  algorithm: ['adapter'],
  pictures: ['frames', 'runner'],
  bridge: [
    'options',
    'adapter',
    'protocol',
    'link',
    'replay',
    'camera',
    'frames',
    'shm',
    'runner',
    'pictures',
    'gstreamer',
  ],
  control: ['port', 'camera', 'frames', 'bridge', 'recording'],
  bench: ['link', 'frames', 'bridge'],
  fleet: ['options', 'frames', 'shm', 'runner', 'bridge', 'control'],
  doctor: ['options', 'protocol', 'port', 'camera', 'shm', 'runner', 'gstreamer', 'control'],
  web: ['options', 'camera', 'frames', 'bridge', 'control'],
  recording: ['options', 'frames', 'runner', 'pictures', 'bridge'],
  cli: [
    'options',
    'protocol',
    'link',
    'port',
    'virtual',
    'camera',
    'frames',
    'shm',
    'runner',
    'pictures',
    'bridge',
    'control',
    'bench',
    'gstreamer',
    'doctor',
    'web',
    'replay',
    'fleet',
    'recording',
  ],
};
/** Modules at the top of src that every room may use. */
const COMMON = new Set([
  'errors.ts',
  'address.ts',
  'package.ts',
  'command-line.ts',
  'async.ts',
  'files.ts',
  'json.ts',
  'times.ts',
  'libc.ts',
  'libc-memory.ts',
  'pixels.ts',
  'jpeg.ts',
]);
/** Rooms that do no I/O: no Node module, no package. */
const PURE = ['protocol', 'link'];
/** Rooms that are loaded when they are used, never with the rest. */
const LAZY = new Set(['virtual', 'web', 'recording']);

interface Import {
  readonly from: string;
  /** A file of src, or the name of a package. */
  readonly to: string;
  readonly package: boolean;
  /** Known to the compiler only, or loaded by import() when it is used. */
  readonly late: boolean;
}

const roomOf = (file: string): string => (file.includes('/') ? file.split('/')[0]! : '');

function importsOf(file: string): Import[] {
  const text = readFileSync(join(SRC, file), 'utf8');
  const found = text.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[^;'"]*?\sfrom\s+)?'([^']+)'|\bimport\(\s*'([^']+)'/gm,
  );
  return [...found].map(([, type, fixed, lazy]) => {
    const target = (fixed ?? lazy)!;
    const inside = target.startsWith('.');
    const path = relative(SRC, resolve(dirname(join(SRC, file)), target)).replace(/\.js$/, '.ts');
    return {
      from: file,
      to: inside ? path : target,
      package: !inside,
      late: type !== undefined || lazy !== undefined,
    };
  });
}

const FILES = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
const ALL = FILES.flatMap(importsOf);
const BETWEEN = ALL.filter((one) => !one.package && roomOf(one.from) !== roomOf(one.to));
const ROOMS = [...new Set(FILES.map(roomOf))].filter(Boolean);

const shown = (list: readonly Import[]): string[] => list.map(({ from, to }) => `${from} -> ${to}`);

/** Circles, each as the files on it, from one back to itself. */
function circles(): string[] {
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const found: string[] = [];
  const visit = (file: string): void => {
    state.set(file, 'open');
    path.push(file);
    for (const one of ALL) {
      if (one.from !== file || one.package) continue;
      if (state.get(one.to) === 'open')
        found.push([...path.slice(path.indexOf(one.to)), one.to].join(' -> '));
      else if (!state.has(one.to)) visit(one.to);
    }
    path.pop();
    state.set(file, 'done');
  };
  for (const file of FILES) if (!state.has(file)) visit(file);
  return found;
}

describe('the rooms of src', () => {
  it('sees the imports', () => {
    expect(BETWEEN.length).toBeGreaterThan(100);
    const missing = ALL.filter((one) => !one.package && !FILES.includes(one.to));
    expect(shown(missing)).toEqual([]);
  });

  it('are all known here', () => {
    expect(Object.keys(ALLOWED).sort()).toEqual([...ROOMS].sort());
  });

  it.each(ROOMS)('%s imports only what lies below it', (room) => {
    const wrong = BETWEEN.filter(
      ({ from, to }) => roomOf(from) === room && !COMMON.has(to) && !ALLOWED[room]!.includes(roomOf(to)),
    );
    expect(shown(wrong)).toEqual([]);
  });

  it('share modules that need no room', () => {
    const wrong = BETWEEN.filter(({ from, to }) => COMMON.has(from) && roomOf(to) !== '');
    expect(shown(wrong)).toEqual([]);
  });

  it.each(ROOMS)('%s is used by its entry only', (room) => {
    const wrong = BETWEEN.filter(({ to }) => roomOf(to) === room && to !== `${room}/index.ts`);
    expect(shown(wrong)).toEqual([]);
  });

  it.each([...LAZY])('%s is loaded when it is used', (room) => {
    expect(shown(BETWEEN.filter(({ to, late }) => roomOf(to) === room && !late))).toEqual([]);
  });

  it.each(PURE)('%s imports no package and nothing of Node', (room) => {
    expect(shown(ALL.filter((one) => one.package && roomOf(one.from) === room))).toEqual([]);
  });

  it('have no circle of files', () => {
    expect(circles()).toEqual([]);
  });
});
