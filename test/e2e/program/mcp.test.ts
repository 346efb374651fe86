/** `openmv-bridge mcp`, as clients of the Model Context Protocol start it. */

import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { afterEach, expect, it } from 'vitest';
import { COMMANDS } from '../../../src/control/index.js';
import { MAIN } from './program.js';

const clients: Client[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) await client.close();
});

async function start(...words: string[]) {
  const client = new Client({ name: 'a test', version: '1' });
  clients.push(client);
  const transport = new StdioClientTransport({
    command: process.execPath,
    args: [MAIN, 'mcp', ...words],
    stderr: 'ignore',
  });
  await client.connect(transport);
  return { client, pid: transport.pid! };
}

// biome-ignore lint/suspicious/noExplicitAny: the forms are what the tests are about
type Json = any;

async function call(client: Client, name: string, given: Record<string, unknown> = {}): Promise<Json> {
  const result = (await client.callTool({ name, arguments: given })) as Json;
  return { ...JSON.parse(result.content.at(-1).text), failed: result.isError === true, all: result.content };
}

const runs = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

it('opens a camera once, takes pictures of it, and ends with its client', async () => {
  const { client, pid } = await start();
  const { tools } = await client.listTools();
  const names = COMMANDS.map(({ name }) => name).filter((name) => name !== 'subscribe');
  expect(tools.map(({ name }) => name)).toEqual(['connect', ...names]);
  expect(await call(client, 'list_cameras')).toMatchObject({ cameras: [] });
  expect(await call(client, 'list_ports')).toMatchObject({ ports: expect.any(Array) });
  expect(await call(client, 'snapshot')).toMatchObject({ failed: true, code: 'OPTION_INVALID' });
  const both = await Promise.all([
    call(client, 'connect', { port: 'virtual' }),
    call(client, 'connect', { port: 'virtual' }),
  ]);
  expect(both[0]).toMatchObject({ failed: false, camera: expect.any(String), port: 'virtual' });
  expect(both[1].camera).toBe(both[0].camera);
  expect(await call(client, 'connect', { port: 'virtual' })).toMatchObject({
    message: expect.stringContaining('already'),
    camera: both[0].camera,
  });
  expect((await call(client, 'list_cameras')).cameras).toHaveLength(1);
  const { all, width, failed } = await call(client, 'snapshot');
  expect(failed).toBe(false);
  expect(all[0]).toMatchObject({ type: 'image', mimeType: 'image/jpeg' });
  expect(Buffer.from(all[0].data, 'base64').subarray(0, 2).toString('hex')).toBe('ffd8');
  expect(width).toBeGreaterThan(0);
  expect(await call(client, 'connect', { port: '/dev/no-such-port' })).toMatchObject({
    failed: true,
    code: 'PORT_NOT_FOUND',
  });
  expect(runs(pid)).toBe(true);
  await client.close();
  await expect.poll(() => runs(pid)).toBe(false);
});

it('opens the camera of --port, with its options, by itself', async () => {
  const { client } = await start('--port', 'virtual', '--virtual-fps', '5', '--no-stream');
  await expect.poll(async () => (await call(client, 'list_cameras')).cameras.length).toBe(1);
  expect(await call(client, 'get_status')).toMatchObject({ streaming: false });
  expect((await call(client, 'connect')).message).toContain('already');
  expect(await call(client, 'start_stream')).toMatchObject({ failed: false });
  await expect.poll(async () => (await call(client, 'get_stats')).total_frames).toBeGreaterThan(0);
  expect(await call(client, 'reset')).toMatchObject({ failed: true, code: 'OPTION_INVALID' });
  await call(client, 'stop_stream');
  expect(await call(client, 'reset')).toMatchObject({ failed: false, port: 'virtual' });
  expect(await call(client, 'install', { script: 'print(1)' })).toMatchObject({
    failed: true,
    message: expect.stringContaining('nothing stays installed'),
  });
});

it('has the results of an algorithm behind --', async () => {
  const paced = fileURLToPath(new URL('adapters/paced.mjs', import.meta.url));
  const { client } = await start('--port', 'virtual', '--', process.execPath, paced, '1', 'odd-ng');
  await expect.poll(async () => (await call(client, 'get_results')).ng ?? 0).toBeGreaterThan(0);
  const { results } = await call(client, 'get_results');
  const [ng] = results.filter((one: Json) => one.resultStatus === 'NG');
  expect(ng).toMatchObject({ type: 'result', sequence: expect.any(Number) });
});
