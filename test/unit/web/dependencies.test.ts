/** What users install runs on the oldest Node that the package promises. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect, it } from 'vitest';

interface Locked {
  readonly dev?: boolean;
  readonly version?: string;
  readonly engines?: { readonly node?: string };
}

const root = (file: string): Record<string, never> =>
  JSON.parse(readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8')) as Record<string, never>;

it('every package takes that Node', () => {
  const { satisfies, minVersion } = createRequire(import.meta.url)('semver') as {
    satisfies(version: string, range: string): boolean;
    minVersion(range: string): { readonly version: string };
  };
  const { engines } = root('package.json') as unknown as { engines: { node: string } };
  const oldest = minVersion(engines.node).version;
  const packages = Object.entries(
    (root('package-lock.json') as unknown as { packages: Record<string, Locked> }).packages,
  );
  expect(packages.length).toBeGreaterThan(50);
  const wrong = packages.filter(
    ([, one]) => !one.dev && one.engines?.node && !satisfies(oldest, one.engines.node),
  );
  expect(wrong.map(([name, one]) => `${name}@${one.version} needs ${one.engines!.node}`)).toEqual([]);
});
