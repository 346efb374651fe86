/**
 * The page's files, read once into memory: no path of a client reaches the file system, it only looks a name up here.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { extname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageFile } from '../package.js';
import { contentPolicy } from './access.js';

/** Browsers take compiled code only: it lies in `dist`, also when this runs from TypeScript sources. */
const FOLDER = packageFile('dist/web/page');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.webmanifest': 'application/manifest+json',
};

export interface PageFile {
  readonly bytes: Buffer;
  readonly type: string;
  readonly etag: string;
  /** Of a document: its own, for its import map. */
  readonly policy: string | undefined;
}

/** Files that the page takes from packages: the name in `/page/modules/`, and what `import.meta.resolve` finds it by. */
export const MODULES: Readonly<Record<string, string>> = {
  'preact.js': 'preact',
  'preact-hooks.js': 'preact/hooks',
  'preact-jsx.js': 'preact/jsx-runtime',
  'uplot.js': 'uplot/dist/uPlot.esm.js',
  'uplot.css': 'uplot/dist/uPlot.min.css',
};

/** By their names behind `/page/`. */
export async function readPageFiles(folder = FOLDER): Promise<ReadonlyMap<string, PageFile>> {
  const files = new Map<string, PageFile>();
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((one) => one.isFile())) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    const type = TYPES[extname(path)];
    if (type !== undefined) files.set(relative(folder, path).split(sep).join('/'), await read(path, type));
  }
  for (const [name, specifier] of Object.entries(MODULES)) {
    const path = fileURLToPath(import.meta.resolve(specifier));
    files.set(`modules/${name}`, await read(path, TYPES[extname(name)] ?? TYPES['.js']!));
  }
  return files;
}

async function read(path: string, type: string): Promise<PageFile> {
  const bytes = await readFile(path);
  const policy = type.startsWith('text/html') ? contentPolicy(importMaps(bytes.toString())) : undefined;
  return { bytes, type, policy, etag: `"${createHash('sha256').update(bytes).digest('base64url')}"` };
}

/** Hashes of a document's import maps, which browsers take only from within it. */
function importMaps(html: string): string[] {
  const maps = [...html.matchAll(/<script type="importmap">([\s\S]*?)<\/script>/g)];
  return maps.map(([, text]) => `sha256-${createHash('sha256').update(text!).digest('base64')}`);
}
