/** What the documents say of options, subcommands and exit statuses is what the code says. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  bridgeOptionsSchema,
  configSchema,
  optionMetaSchema,
  optionSpecs,
} from '../../../src/options/index.js';

const GENERATOR = fileURLToPath(new URL('../../../tools/docs.mjs', import.meta.url));

it('the documents are up to date: npm run docs', () => {
  const { status, stderr } = spawnSync(process.execPath, [GENERATOR, '--check'], { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

describe('the option schema', () => {
  const specs = optionSpecs(configSchema);

  it('says of every option what it does, in words that its meta may have', () => {
    const shapes = [configSchema.shape, bridgeOptionsSchema.shape.virtual.unwrap().shape];
    const named = new Set(specs.map(({ path }) => path.at(-1)));
    for (const shape of shapes) {
      for (const [name, schema] of Object.entries(shape)) {
        if (['$schema', 'virtual', 'supervision', 'cameras'].includes(name)) continue;
        expect(named, name).toContain(name);
        expect(optionMetaSchema.safeParse(schema.meta()).error, name).toBeUndefined();
      }
    }
  });

  it('has one flag for each option, and needs only options that there are', () => {
    const flags = specs.flatMap(({ flag }) => (flag === undefined ? [] : [flag]));
    expect(new Set(flags).size).toBe(flags.length);
    const paths = specs.map(({ path }) => path.join('.'));
    for (const { needs } of specs) for (const one of needs?.split('|') ?? []) expect(paths).toContain(one);
  });

  it('shows about 25 of them to people', () => {
    const common = specs.filter((spec) => spec.common);
    expect(common.length).toBeGreaterThan(15);
    expect(common.length).toBeLessThanOrEqual(30);
  });
});
