/** Where the server listens, and which hosts are this machine. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { hostName, isLoopback, parseAddress, readToken, urlOf } from '../../src/address.js';
import { runOptionsSchema } from '../../src/options/index.js';

const scratch = mkdtempSync(join(tmpdir(), 'openmv-web-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

it.each([
  ['8080', '127.0.0.1', 8080, 'http://127.0.0.1:8080/'],
  ['localhost:80', '127.0.0.1', 80, 'http://127.0.0.1:80/'],
  ['0.0.0.0:8080', '0.0.0.0', 8080, 'http://0.0.0.0:8080/'],
  ['[::1]:9000', '::1', 9000, 'http://[::1]:9000/'],
  ['bench.example:0', 'bench.example', 0, 'http://bench.example:0/'],
])('%s is %s, port %i', (text, host, port, url) => {
  expect(runOptionsSchema.shape.http.parse(text)).toBe(text);
  expect(parseAddress(text)).toEqual({ host, port });
  expect(urlOf({ host, port })).toBe(url);
});

it.each(['', 'http://host:80', 'host', ':80', '70000', '::1:80', 'a b:80', '-1'])('%j is none', (text) => {
  expect(runOptionsSchema.shape.http.safeParse(text).success).toBe(false);
});

it.each([
  ['localhost', true],
  ['LocalHost', true],
  ['127.0.0.1', true],
  ['127.1.2.3', true],
  ['[::1]', true],
  ['localhost.example.com', false],
  ['127.0.0.1.example.com', false],
  ['0.0.0.0', false],
  ['192.168.1.4', false],
  ['[::]', false],
])('%s is this machine: %s', (host, own) => {
  expect(isLoopback(host)).toBe(own);
});

it.each([
  ['127.0.0.1:8080', '127.0.0.1'],
  ['[::1]:8080', '[::1]'],
  ['Bench', 'bench'],
  ['', undefined],
  ['a/b', undefined],
  ['localhost:80:80', undefined],
  ['localhost@evil', undefined],
])('Host %j names %s', (header, name) => {
  expect(hostName(header)).toBe(name);
});

describe('a token', () => {
  const file = join(scratch, 'token');

  it('is the first line of a file', async () => {
    writeFileSync(file, 'abc123\nnot this\n');
    expect(await readToken(undefined, file)).toBe('abc123');
    expect(await readToken('given', undefined)).toBe('given');
    expect(await readToken(undefined, undefined)).toBe(undefined);
  });

  it('says what is wrong with it', async () => {
    writeFileSync(file, 'two words\n');
    await expect(readToken(undefined, file)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(readToken('x', file)).rejects.toMatchObject({ code: 'OPTION_INVALID' });
    await expect(readToken(undefined, join(scratch, 'none'))).rejects.toMatchObject({ code: 'FILE_FAILED' });
  });
});
