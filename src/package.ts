/** The package's own files, found from `src` as well as from `dist`. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../', import.meta.url);

let version: string | undefined;

/** The package's version. */
export function packageVersion(): string {
  if (version === undefined) {
    const parsed: unknown = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'));
    version =
      parsed && typeof parsed === 'object' && 'version' in parsed ? String(parsed.version) : 'unknown';
  }
  return version;
}

/** Absolute path of a file of the package. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}
