/** `/mcp`: the commands as tools of the Model Context Protocol, over its streamable HTTP; each request by itself. */
import { WebStandardStreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js';
import { z } from 'zod';
import type { RouteGroup } from '../context.js';
import { httpError } from '../failures.js';
import { type McpHost, mcpServer } from '../mcp.js';
import { route } from '../route.js';
import { bodyForm, carryOut, HTTP_COMMANDS } from './commands.js';

export const mcpRoutes: RouteGroup = (app, context) => {
  const host: McpHost = {
    commands: HTTP_COMMANDS,
    form: bodyForm,
    perform: (command, params) => carryOut(context, command, params),
    // Which cameras there are is the business of who has started the bridge.
    connect: async (port) => {
      const open = context.cameras.all.map(({ bridge }) => bridge);
      const found =
        port === undefined || port === 'auto'
          ? open
          : open.filter(({ options, camera }) => [options.port, camera.info().port].includes(port));
      if (found.length > 0) {
        const cameras = found.map(({ cameraId, options }) => ({ camera: cameraId, port: options.port }));
        return { message: 'The bridge is open already.', cameras };
      }
      throw httpError(
        'UNSUPPORTED',
        'The cameras of this bridge are chosen when it is started: see list_cameras for those that it has.',
      );
    },
  };
  route(
    app,
    context,
    {
      ...{ method: 'POST', path: '/mcp', tag: 'commands' },
      summary: 'The commands as tools of the Model Context Protocol (streamable HTTP, without sessions)',
      body: z.unknown().meta({ override: { description: 'JSON-RPC 2.0' } }),
      answers: {
        200: { description: 'JSON-RPC 2.0', schema: z.looseObject({}) },
        202: { description: 'a notification was taken' },
      },
    },
    async ({ body, request, reply }) => {
      const server = mcpServer(host);
      const transport = new WebStandardStreamableHTTPServerTransport({ enableJsonResponse: true });
      try {
        await server.connect(transport);
        const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)]);
        const asked = new Request('http://localhost/mcp', {
          method: 'POST',
          headers: Object.fromEntries(headers) as Record<string, string>,
        });
        const answered = await transport.handleRequest(asked, { parsedBody: body });
        reply.code(answered.status).type(answered.headers.get('content-type') ?? 'application/json');
        return await reply.send(await answered.text());
      } finally {
        await server.close();
      }
    },
  );
  // There is no stream of the server's own messages, and no session to end.
  app.get('/mcp', { config: { fallback: true } }, () => {
    throw httpError('HTTP_INVALID', 'This address takes POST.', 405);
  });
};
