/** `/mcp`: the commands as tools, by the SDK's own client. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../../../src/control/index.js';
import type { WebServer } from '../../../src/web/index.js';
import { atEnd, collect, type Json, ODD_NG, serve, shown, until } from './support.js';

async function clientOf(server: WebServer, headers: Record<string, string> = {}): Promise<Client> {
  const client = new Client({ name: 'a test', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL('mcp', server.url), {
    requestInit: { headers },
  });
  await client.connect(transport as Transport);
  atEnd(() => client.close());
  return client;
}

/** The JSON of a tool's answer. */
async function call(client: Client, name: string, given: Record<string, unknown> = {}): Promise<Json> {
  const result = (await client.callTool({ name, arguments: given })) as Json;
  return { ...JSON.parse(result.content.at(-1).text), failed: result.isError === true };
}

describe('/mcp', () => {
  it('has every command but those that reach files of the machine, with their parameters', async () => {
    const client = await clientOf(await serve());
    expect(client.getServerVersion()).toMatchObject({ name: 'openmv-bridge' });
    const { tools } = await client.listTools();
    const names = COMMANDS.map(({ name }) => name).filter(
      (name) => !['subscribe', 'set_pipeline'].includes(name),
    );
    expect(tools.map(({ name }) => name)).toEqual(['connect', ...names]);
    for (const { description, inputSchema } of tools) {
      expect(description).toBeTruthy();
      expect(inputSchema.type).toBe('object');
      expect(Object.keys(inputSchema.properties ?? {})).not.toContain('path');
    }
    const quality = tools.find(({ name }) => name === 'set_quality')!;
    expect(JSON.stringify(quality.inputSchema)).toMatch(/"minimum":1\b.*"maximum":100\b/);
    expect(quality.annotations?.readOnlyHint).toBe(false);
    expect(quality.inputSchema.properties).toHaveProperty('camera');
    expect(tools.find(({ name }) => name === 'get_stats')!.annotations?.readOnlyHint).toBe(true);
  });

  it('gives pictures as images, results, statistics and settings', async () => {
    const server = await serve();
    const bridge = await shown(server, { runner: ODD_NG });
    const frames = collect(bridge);
    const client = await clientOf(server);
    const picture = (await client.callTool({ name: 'snapshot', arguments: {} })) as Json;
    expect(picture.content.map(({ type }: Json) => type)).toEqual(['image', 'text']);
    expect(picture.content[0].mimeType).toBe('image/jpeg');
    const jpeg = Buffer.from(picture.content[0].data, 'base64');
    const about = JSON.parse(picture.content[1].text);
    const frame = frames.get(about.sequence)!;
    expect(jpeg.equals(frame.jpeg)).toBe(true);
    expect(about).toMatchObject({ width: frame.width, height: frame.height, crc32: frame.crc32 });
    expect(about).not.toHaveProperty('jpeg');

    await until('results', async () => (await call(client, 'get_results')).ng > 0);
    const { results, ok, ng } = await call(client, 'get_results');
    expect(ok + ng).toBeGreaterThan(0);
    expect(results.at(-1)).toMatchObject({ type: 'result', cameraId: bridge.cameraId });
    expect(results.length).toBeLessThanOrEqual(20);
    expect(await call(client, 'get_stats')).toMatchObject({ camera: bridge.cameraId, streaming: true });
    expect(await call(client, 'get_info')).toMatchObject({ camera: bridge.cameraId, system: {} });
    expect(await call(client, 'set_quality', { value: 40 })).toMatchObject({ failed: false });
    expect(await call(client, 'get_settings')).toMatchObject({ settings: { quality: 40 } });
  });

  it('runs, follows and stops scripts', async () => {
    const server = await serve();
    await shown(server);
    const client = await clientOf(server);
    const script = 'import time\nprint("hello from here")\nwhile True:\n    time.sleep_ms(20)\n';
    expect(await call(client, 'exec_script', { script })).toMatchObject({
      failed: true,
      code: 'OPTION_INVALID',
      message: expect.stringContaining('Stop streaming'),
    });
    await call(client, 'stop_stream');
    expect(await call(client, 'exec_script', { script })).toMatchObject({ failed: false });
    await until('its output', async () =>
      (await call(client, 'get_output')).output.includes('hello from here'),
    );
    expect(await call(client, 'script_running')).toMatchObject({ running: true });
    await call(client, 'stop_script');
    expect(await call(client, 'script_running')).toMatchObject({ running: false });
    await call(client, 'start_stream');
    expect(await call(client, 'snapshot')).toMatchObject({ failed: false });
  });

  it('says that a camera is open, opens none, and takes no path', async () => {
    const server = await serve();
    const client = await clientOf(server);
    expect(await call(client, 'connect')).toMatchObject({ failed: true, code: 'UNSUPPORTED' });
    const bridge = await shown(server);
    const open = {
      failed: false,
      message: expect.stringContaining('already'),
      cameras: [{ camera: bridge.cameraId }],
    };
    expect(await call(client, 'connect')).toMatchObject(open);
    expect(await call(client, 'connect', { port: 'virtual' })).toMatchObject(open);
    expect(await call(client, 'connect', { port: '/dev/other' })).toMatchObject({ failed: true });
    expect(await call(client, 'list_cameras')).toMatchObject({ cameras: [{ camera: bridge.cameraId }] });
    for (const [tool, given] of [
      ['snapshot', { path: '/tmp/x.jpg' }],
      ['exec_script', { path: '/etc/passwd' }],
    ] as const) {
      expect(await call(client, tool, given)).toMatchObject({ failed: true, code: 'HTTP_DENIED' });
    }
    for (const tool of ['set_pipeline', 'subscribe', 'nothing', '__proto__']) {
      expect(await call(client, tool, { pipeline: 'fakesink' })).toMatchObject({ failed: true });
    }
    expect(await call(client, 'get_stats', { camera: 'another' })).toMatchObject({ code: 'HTTP_NOT_FOUND' });
    expect(await call(client, 'set_quality', { value: 1000 })).toMatchObject({
      code: 'OPTION_INVALID',
      message: expect.stringContaining('"value"'),
    });
  });

  it('asks for token, Host, Origin and content type as everywhere', async () => {
    const server = await serve({ httpToken: 'correct-horse' });
    await expect(clientOf(server)).rejects.toThrow();
    const client = await clientOf(server, { Authorization: 'Bearer correct-horse' });
    expect((await client.listTools()).tools.length).toBeGreaterThan(20);

    const open = await serve();
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const send = async (headers: Record<string, string>): Promise<number> => {
      const all = { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream' };
      const answer = await fetch(new URL('mcp', open.url), {
        ...{ method: 'POST', body },
        headers: { ...all, ...headers },
      });
      if (answer.status === 200) expect(answer.headers.get('x-content-type-options')).toBe('nosniff');
      return answer.status;
    };
    expect(await send({})).toBe(200);
    expect(await send({ Origin: 'https://evil.example' })).toBe(403);
    expect(await send({ 'Content-Type': 'text/plain' })).toBe(415);
    expect((await fetch(new URL('mcp', open.url))).status).toBe(405);
  });
});
