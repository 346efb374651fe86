import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const SRC = fileURLToPath(new URL('../../src', import.meta.url));

/** What each room may import besides itself, `errors` and `package`. Arrows point one way. */
const ALLOWED: Record<string, readonly string[]> = {
  protocol: [],
  // Declarations only.
  options: ['protocol', 'adapter'],
  link: ['protocol'],
  port: ['protocol', 'link'],
  virtual: ['protocol', 'link', 'port', 'options'],
  camera: ['protocol', 'link', 'port', 'virtual', 'options'],
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
    'camera',
    'frames',
    'shm',
    'runner',
    'pictures',
    'gstreamer',
  ],
  control: ['port', 'camera', 'frames', 'bridge'],
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
  ],
};
/** Modules at the top of src that every room may use. */
const COMMON = new Set([
  'errors.js',
  'package.js',
  'command-line.js',
  'async.js',
  'files.js',
  'json.js',
  'libc.js',
]);
/** Rooms that do no I/O: no Node module, no package. */
const PURE = ['protocol', 'link'];

interface Import {
  readonly file: string;
  readonly room: string;
  readonly target: string;
}

function imports(): Import[] {
  const files = readdirSync(SRC, { recursive: true, encoding: 'utf8' }).filter((name) => /\.ts$/.test(name));
  return files.flatMap((name) => {
    const file = join(SRC, name);
    const room = name.includes('/') ? name.split('/')[0]! : '';
    const text = readFileSync(file, 'utf8');
    const targets = [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map((match) => match[1]!);
    return targets.map((target) => ({ file: name, room, target }));
  });
}

const all = imports();
const inside = all.filter(({ target }) => target.startsWith('.'));

describe('the directions between rooms', () => {
  it('sees the imports', () => {
    expect(inside.length).toBeGreaterThan(100);
    expect(new Set(all.map(({ room }) => room))).toContain('link');
  });

  it.each(Object.keys(ALLOWED))('src/%s imports only what lies below it', (room) => {
    const wrong = inside.filter(({ file, room: from, target }) => {
      if (from !== room) return false;
      const path = relative(SRC, resolve(dirname(join(SRC, file)), target));
      if (COMMON.has(path)) return false;
      const to = path.split('/')[0]!;
      return to !== room && !ALLOWED[room]!.includes(to);
    });
    expect(wrong).toEqual([]);
  });

  it.each(PURE)('src/%s imports no package and nothing of Node', (room) => {
    const wrong = all.filter(({ room: from, target }) => from === room && !target.startsWith('.'));
    expect(wrong).toEqual([]);
  });

  it('every room is known here', () => {
    expect(Object.keys(ALLOWED)).toEqual(
      expect.arrayContaining([...new Set(all.map(({ room }) => room))].filter(Boolean)),
    );
  });
});
