/** The package as a program that depends on it has it: what `npm pack` ships, and its dependencies. */
import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll } from 'vitest';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

export interface Project {
  readonly folder: string;
  /** Where the package is in it. */
  readonly installed: string;
  /** What the compiler says about the project's own programs (`*.mts`), which it turns into `*.mjs`. */
  compile(): Promise<string>;
}

/** A project with the package installed, removed after the tests of this file. */
export async function makeProject(): Promise<Project> {
  const folder = mkdtempSync(join(tmpdir(), 'openmv-package-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const installed = join(folder, 'node_modules/openmv-bridge');
  mkdirSync(installed, { recursive: true });
  // Built by the run's own setup; a second build would take the files away from tests that are running.
  const pack = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const { stdout } = await run('npm', pack, { cwd: ROOT });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await run('tar', ['-xzf', join(folder, filename), '--strip-components=1', '-C', installed]);
  const { dependencies } = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    const place = join(installed, 'node_modules', name);
    mkdirSync(dirname(place), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules', name), place);
  }
  const compilerOptions = { strict: true, module: 'nodenext', types: [], skipLibCheck: false };
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions }));
  return {
    folder,
    installed,
    compile: async () => {
      const compiled = await run(process.execPath, [TSC, '-p', folder]).catch(
        (error: { stdout: string }) => error,
      );
      return compiled.stdout;
    },
  };
}
