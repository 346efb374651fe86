/** `/` and `/page/...`: the page. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { RouteGroup } from '../context.js';
import { httpError } from '../failures.js';
import { type PageFile, readPageFiles } from '../page-files.js';
import { route } from '../route.js';

export const pageRoutes: RouteGroup = async (app, context) => {
  const files = await readPageFiles();
  const give = (name: string, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const file = files.get(name);
    if (file) return send(file, request, reply);
    throw httpError('HTTP_NOT_FOUND', `The page has no file ${name.slice(0, 128)}.`);
  };
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/', tag: 'about', summary: 'The page' },
      query: z.object({
        token: z.string().optional().meta({ description: 'gives a cookie and leads to the page' }),
      }),
      answers: {
        200: { description: 'the page', mediaType: 'text/html' },
        303: { description: 'with a token' },
      },
    },
    ({ request, reply }) => {
      // The token has been looked at, or there is none: it has no business in an address.
      if (new URL(request.url, 'http://host').searchParams.has('token')) return reply.redirect('/', 303);
      return give('index.html', request, reply);
    },
  );
  app.get<{ Params: { '*': string } }>('/page/*', { config: { fallback: true } }, (request, reply) =>
    give(request.params['*'], request, reply),
  );
};

function send(
  { bytes, type, etag, policy }: PageFile,
  request: FastifyRequest,
  reply: FastifyReply,
): FastifyReply {
  reply.header('Cache-Control', 'no-cache').header('ETag', etag);
  if (policy !== undefined) reply.header('Content-Security-Policy', policy);
  if (request.headers['if-none-match'] === etag) return reply.code(304).send();
  return reply.type(type).send(bytes);
}
