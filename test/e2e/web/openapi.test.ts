/** The document and the routes are the same: each is in the other, and answers as it says. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { COMMANDS } from '../../../src/control/index.js';
import type { WebServer } from '../../../src/web/index.js';
import { ask, type Json, MAIN_ROUTES, ODD_NG, serve, shown, until } from './support.js';

async function documented(server: WebServer): Promise<{ document: Json; operations: string[] }> {
  const { body: document } = await ask(server, '/openapi.json');
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods as object).map((method) => `${method.toUpperCase()} ${path}`),
  );
  return { document, operations: operations.sort() };
}

/** What a JSON schema, as this document has them, says against a value; nothing if it fits. */
function against(schema: Json, value: unknown): string[] {
  const parsed = z.fromJSONSchema(schema).safeParse(value);
  return parsed.success
    ? []
    : parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`);
}

describe('/openapi.json', () => {
  it('has every route that is registered, and no other', async () => {
    const server = await serve();
    const { operations } = await documented(server);
    expect(operations).toEqual([...server.registered].sort());
    for (const one of MAIN_ROUTES) expect(operations).toContain(one);
    const commands = COMMANDS.filter(({ name }) => !['subscribe', 'set_pipeline'].includes(name));
    for (const { name } of commands) expect(operations).toContain(`POST /api/commands/${name}`);
  });

  it('is a document of OpenAPI 3.1 with unique names and all path parameters', async () => {
    const { document } = await documented(await serve());
    expect(document.openapi).toBe('3.1.0');
    const names = new Set<string>();
    for (const [path, methods] of Object.entries<Json>(document.paths)) {
      for (const operation of Object.values<Json>(methods)) {
        expect(names.has(operation.operationId), operation.operationId).toBe(false);
        names.add(operation.operationId);
        const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
        const given = operation.parameters
          .filter((one: Json) => one.in === 'path')
          .map((one: Json) => one.name);
        expect(given).toEqual(inPath);
        expect(Object.keys(operation.responses).length).toBeGreaterThan(1);
      }
    }
    expect(JSON.stringify(document)).not.toContain('$defs');
  });

  it('every GET in it answers, in the form it says', async () => {
    const server = await serve();
    const bridge = await shown(server, { runner: ODD_NG });
    const at = `/api/cameras/${bridge.cameraId}`;
    await until('results', async () => (await ask(server, `${at}/results`)).body.counts.ng > 0);
    await until('figures', async () => (await ask(server, `${at}/history`)).body.timeMs.length > 1);
    const { body: results } = await ask(server, `${at}/results?outcome=ng`);
    const files: Readonly<Record<string, string>> = {
      '/api/cameras/{camera}/frames/{file}': 'latest.jpg',
      '/api/cameras/{camera}/results/{file}': `${results.results[0].key}.jpg`,
    };
    const { document } = await documented(server);
    for (const [path, { get }] of Object.entries<Json>(document.paths)) {
      if (!get) continue;
      const url = path.replace('{camera}', bridge.cameraId).replace('{file}', files[path] ?? '');
      const abort = new AbortController();
      const answer = await fetch(new URL(url, server.url), { signal: abort.signal });
      const [expected] = Object.keys(get.responses);
      if (path === '/ws') {
        expect(answer.status).toBe(426);
        continue;
      }
      expect([path, String(answer.status)]).toEqual([path, expected]);
      const [[type, content]] = Object.entries<Json>(get.responses[expected!].content) as [[string, Json]];
      expect(answer.headers.get('content-type')).toContain(type);
      if (type === 'application/json') expect(against(content.schema, await answer.json()), path).toEqual([]);
      else abort.abort();
    }
  });

  it('every command in it answers, and its errors have the form it says', async () => {
    const server = await serve();
    const { document } = await documented(server);
    const failure = document.components.schemas.Failure;
    for (const [path, { post }] of Object.entries<Json>(document.paths)) {
      if (!post || !path.startsWith('/api/commands/')) continue;
      const headers = { 'Content-Type': 'application/json' };
      const { status, body } = await ask(server, path, { method: 'POST', headers, body: '{}' });
      // There is no camera here.
      if (path.endsWith('/list_cameras')) expect(body).toEqual({ status: 'success', cameras: [] });
      else if (path.endsWith('/list_ports')) expect(body).toMatchObject({ status: 'success' });
      else {
        expect([path, status]).toEqual([path, 404]);
        expect(against(failure, body)).toEqual([]);
      }
    }
  });

  it('tells the limits of parameters', async () => {
    const { document } = await documented(await serve());
    const bodyOf = (name: string): Json =>
      document.paths[`/api/commands/${name}`].post.requestBody.content['application/json'].schema;
    expect(JSON.stringify(bodyOf('set_quality'))).toMatch(/"minimum":1\b.*"maximum":100\b/);
    expect(bodyOf('snapshot').properties).toEqual({});
    expect(Object.keys(bodyOf('exec_script').properties)).toEqual(['script']);
  });
});
