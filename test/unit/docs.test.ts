/** The pages for users and engineers: their links lead somewhere, and their lines can be read. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/errors.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WIDEST = 160;

const { files } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { files: string[] };
/** Tracked files, and those that are about to be. */
const tracked = (...patterns: string[]): string[] =>
  execFileSync('git', ['ls-files', '-co', '--exclude-standard', ...patterns], { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter((name) => name !== '' && existsSync(join(ROOT, name)));
const PAGES = tracked('*.md');
const SOURCES = tracked('*.ts', '*.tsx');
/** What `npm pack` ships: entries of `files`, but for those behind a "!". */
const ships = (name: string): boolean => {
  const among = (entry: string): boolean => name === entry || name.startsWith(`${entry}/`);
  return files.some(among) && !files.some((entry) => entry.startsWith('!') && among(entry.slice(1)));
};
const SHIPPED = PAGES.filter(ships);

interface Page {
  readonly links: readonly string[];
  readonly anchors: ReadonlySet<string>;
}

/** As GitHub makes them: lower case, punctuation gone, spaces as hyphens, a number behind the second of a name. */
function anchorOf(heading: string, taken: ReadonlySet<string>): string {
  const plain = heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .trim();
  const base = plain.replace(/[^\p{L}\p{N}\s_-]/gu, '').replace(/\s/g, '-');
  let anchor = base;
  for (let n = 1; taken.has(anchor); n++) anchor = `${base}-${n}`;
  return anchor;
}

function read(file: string): Page {
  const links: string[] = [];
  const anchors = new Set<string>();
  let code = false;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (/^\s*```/.test(line)) code = !code;
    if (code) continue;
    const heading = /^#+ (.*)$/.exec(line);
    if (heading !== null) anchors.add(anchorOf(heading[1]!, anchors));
    for (const link of line.replace(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)) links.push(link[1]!);
  }
  return { links, anchors };
}

/** Links of a page that lead nowhere: a file that is not there, or a heading that its page does not have. */
function deadLinks(page: string, inPackage: boolean): string[] {
  const here = join(ROOT, page);
  return read(here).links.filter((link) => {
    if (/^[a-z]+:/.test(link)) return false;
    const [path, anchor] = link.split('#') as [string, string?];
    const target = path === '' ? here : resolve(dirname(here), path);
    if (!existsSync(target)) return true;
    if (inPackage && !ships(relative(ROOT, target))) return true;
    return anchor !== undefined && !read(target).anchors.has(anchor);
  });
}

describe('pages', () => {
  it('finds them', () => {
    expect(PAGES).toContain('README.md');
    expect(PAGES.filter((page) => page.startsWith('docs/')).length).toBeGreaterThanOrEqual(10);
  });

  it.each(PAGES)('%s has no dead link', (page) => {
    expect(deadLinks(page, false)).toEqual([]);
  });

  it.each(SHIPPED)('%s leads to no file that the package lacks', (page) => {
    expect(deadLinks(page, true)).toEqual([]);
  });

  it.each(SHIPPED)(`%s has no line wider than ${WIDEST} characters`, (page) => {
    const lines = readFileSync(join(ROOT, page), 'utf8').split('\n');
    expect(lines.filter((line) => line.length > WIDEST)).toEqual([]);
  });

  it.each(PAGES.filter((page) => page.startsWith('src/')))('%s names no file that is not there', (page) => {
    const room = dirname(page);
    const text = readFileSync(join(ROOT, page), 'utf8');
    const names = [...text.matchAll(/`([\w./-]+\.tsx?)`/g)].map(([, name]) => name!);
    // A bare name is one of the room's, of the modules at the top, or of the tests.
    const near = SOURCES.filter(
      (file) => file.startsWith(`${room}/`) || dirname(file) === 'src' || !file.startsWith('src/'),
    );
    const missing = names.filter((name) => {
      const among = name.includes('/') ? SOURCES : near;
      return !among.some((file) => `/${file}`.endsWith(`/${name}`));
    });
    expect(missing).toEqual([]);
  });

  it('explains every error code', () => {
    const { anchors } = read(join(ROOT, 'docs/troubleshooting.md'));
    expect(ERROR_CODES.filter((code) => !anchors.has(code.toLowerCase()))).toEqual([]);
  });

  it('links all of docs from README', () => {
    const linked = new Set(read(join(ROOT, 'README.md')).links.map((link) => link.split('#')[0]));
    expect(PAGES.filter((page) => page.startsWith('docs/') && !linked.has(page))).toEqual([]);
  });
});
