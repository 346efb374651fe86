/** The image for containers: well-formed, pinned, for any architecture, and not run by root. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Copy, DockerfileParser, type JSONInstruction } from 'dockerfile-ast';
import { validate } from 'dockerfile-utils';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const text = readFileSync(join(ROOT, 'tools/docker/Dockerfile'), 'utf8');
const dockerfile = DockerfileParser.parse(text);
const instructions = dockerfile.getInstructions();
const of = (keyword: string) => instructions.filter((one) => one.getKeyword() === keyword);
const argumentsOf = (keyword: string) =>
  of(keyword).map((one) => one.getArguments().map((argument) => argument.getValue()));
const ignored = readFileSync(join(ROOT, 'tools/docker/Dockerfile.dockerignore'), 'utf8');

it('the linter has nothing to say', () => {
  expect(validate(text)).toEqual([]);
  // It does find faults.
  expect(validate('FROM node\nFRMO x\n').length).toBeGreaterThan(0);
});

describe('the image', () => {
  it('begins with an official image of a fixed version, which the program supports', () => {
    const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      engines: { node: string };
    };
    const [, least] = />=(\d+)\./.exec(engines.node)!;
    const images = dockerfile.getFROMs().map((from) => from.getImage()!);
    expect(images).toHaveLength(2);
    for (const image of images) {
      const [, major] = /^node:(\d+)\.\d+\.\d+-\w+-slim$/.exec(image) ?? [];
      expect(Number(major), image).toBeGreaterThanOrEqual(Number(least));
    }
    expect(new Set(images).size).toBe(1);
  });

  it('compiles on the building machine, and installs for the one that it is for', () => {
    const platforms = dockerfile.getFROMs().map((from) => from.getPlatformFlag()?.getValue());
    expect(platforms).toEqual(['$BUILDPLATFORM', undefined]);
    const words = instructions.flatMap((one) => one.getArgumentsContent() ?? []).join(' ');
    expect(words).not.toMatch(/x86_64|aarch64|amd64|arm64/i);
  });

  it('runs as a user without rights, by name so that its groups count', () => {
    expect(argumentsOf('USER')).toEqual([['node']]);
    const last = instructions.map((one) => one.getKeyword());
    expect(last.lastIndexOf('USER')).toBeGreaterThan(last.lastIndexOf('RUN'));
  });

  it('starts the program itself, which gets the signals', () => {
    for (const keyword of ['ENTRYPOINT', 'CMD']) {
      const [instruction] = of(keyword) as JSONInstruction[];
      expect(instruction?.getOpeningBracket(), keyword).toBeDefined();
    }
    expect(argumentsOf('STOPSIGNAL')).toEqual([['SIGTERM']]);
  });

  it('takes nothing from elsewhere, and runs no scripts of packages', () => {
    expect(of('ADD')).toEqual([]);
    const runs = of('RUN').map((one) => one.getArgumentsContent() ?? '');
    for (const command of runs) expect(command).not.toMatch(/curl|wget|sudo|npm install/);
    for (const command of runs.filter((one) => one.includes('npm ci'))) {
      expect(command).toContain('--ignore-scripts');
    }
  });

  it('copies what is there, and what the context has', () => {
    const kept = ignored.split('\n').flatMap((line) => (line.startsWith('!') ? [line.slice(1)] : []));
    for (const name of kept) expect(existsSync(join(ROOT, name)), name).toBe(true);
    const copies = (of('COPY') as Copy[]).filter((copy) => copy.getFromFlag() === null);
    const sources = copies.flatMap((copy) => copy.getArguments().slice(0, -1)).map((one) => one.getValue());
    expect(sources).toContain('package-lock.json');
    for (const source of sources.filter((one) => one !== '.')) expect(kept).toContain(source);
  });
});
