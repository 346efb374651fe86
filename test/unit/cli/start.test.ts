/** What is loaded before a command can answer: the packages that take long are loaded when they are used. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const dist = (file: string): string => fileURLToPath(new URL(`../../../dist/${file}`, import.meta.url));

/** Packages that a module of `dist` imports at its top, itself and through others. */
function packages(file: string, seen = new Set<string>()): string[] {
  if (seen.has(file)) return [];
  seen.add(file);
  const text = readFileSync(file, 'utf8');
  const targets = [...text.matchAll(/^(?:import|export) (?:[^;()'=]* from )?'([^']+)';/gm)].map(
    (match) => match[1]!,
  );
  const found = targets.flatMap((target) =>
    target.startsWith('.')
      ? packages(resolve(dirname(file), target), seen)
      : target.startsWith('node:')
        ? []
        : [target],
  );
  return [...new Set(found)].sort();
}

it.each([
  ['cli/main.js', []],
  ['cli/program.js', ['commander']],
  ['cli/commands/ctl.js', ['@streamparser/json', 'commander', 'zod']],
])('%s needs %j', (file, expected) => {
  expect(packages(dist(file))).toEqual(expected);
});

it('run loads a web server only when it serves the page', () => {
  expect(packages(dist('web/index.js'))).toContain('fastify');
  expect(packages(dist('cli/commands/run.js')).filter((name) => /fastify|^ws$/.test(name))).toEqual([]);
});
