/** The package's own files, found from `src` as well as from `dist`. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = new URL('../', import.meta.url);

let fields: Readonly<Record<string, unknown>> | undefined;

/** A text in package.json, by its path such as `engines.node`; `unknown` where there is none. */
export function packageField(path: string): string {
  fields ??= JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as Record<string, unknown>;
  const found = path
    .split('.')
    .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], fields);
  return typeof found === 'string' ? found : 'unknown';
}

/** The package's version. */
export function packageVersion(): string {
  return packageField('version');
}

/** Absolute path of a file of the package. */
export function packageFile(path: string): string {
  return fileURLToPath(new URL(path, ROOT));
}
