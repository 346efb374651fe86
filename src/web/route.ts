/** A route and its description in one: what a request may hold is checked, and OpenAPI is made, from the same schemas. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import { z } from 'zod';
import { httpError } from './failures.js';

export interface Answer {
  readonly description: string;
  /** Of a JSON body. */
  readonly schema?: z.ZodType;
  /** Of any other body. */
  readonly mediaType?: string;
}

export interface RouteDescription {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** As OpenAPI writes it: `/api/cameras/{camera}`. */
  readonly path: string;
  readonly summary: string;
  readonly tag: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  /** By status; errors have the same form everywhere. */
  readonly answers: Readonly<Record<number, Answer>>;
  /** Answered without a token as well: it tells nothing. */
  readonly open?: boolean;
}

/** What routes are added to: `WebContext` is one. */
export interface Described {
  readonly routes: RouteDescription[];
}

type Checked<T> = T extends z.ZodType ? z.output<T> : undefined;
export interface Call<D extends RouteDescription> {
  readonly params: Checked<D['params']>;
  readonly query: Checked<D['query']>;
  readonly body: Checked<D['body']>;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Adds a route and notes its description. What the handler returns is sent, as JSON if it is an object. */
export function route<const D extends RouteDescription>(
  app: FastifyInstance,
  { routes }: Described,
  description: D,
  handler: (call: Call<D>) => unknown,
): void {
  routes.push(description);
  app.route({
    method: description.method,
    url: fastifyPath(description.path),
    config: { open: description.open ?? false },
    handler: async (request, reply) => handler({ ...check(description, request), request, reply }),
  });
}

/** The same for a WebSocket; `before` runs while the request can still be refused. */
export function socketRoute<const D extends RouteDescription>(
  app: FastifyInstance,
  { routes }: Described,
  description: D,
  before: (call: Omit<Call<D>, 'reply'>) => void,
  handler: (call: Omit<Call<D>, 'reply'> & { readonly socket: WebSocket }) => void,
): void {
  routes.push(description);
  app.route({
    method: 'GET',
    url: fastifyPath(description.path),
    preHandler: async (request) => before({ ...check(description, request), request }),
    handler: () => {
      throw httpError('HTTP_INVALID', 'This address is for WebSockets.', 426);
    },
    wsHandler: (socket, request) => handler({ ...check(description, request), request, socket }),
  });
}

const fastifyPath = (path: string): string => path.replace(/\{(\w+)\}/g, ':$1');

function check<D extends RouteDescription>(description: D, request: FastifyRequest) {
  const { params, query, body } = description;
  return {
    params: read(params, request.params, 'the address'),
    query: read(query, request.query, 'the query'),
    body: read(body, request.body, 'the body'),
  } as Pick<Call<D>, 'params' | 'query' | 'body'>;
}

function read(schema: z.ZodType | undefined, value: unknown, where: string): unknown {
  if (!schema) return undefined;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issues = parsed.error.issues.map(({ path, message }) => {
    return path.length > 0 ? `"${path.join('.').slice(0, 64)}": ${message}` : message;
  });
  throw httpError('HTTP_INVALID', `Something is wrong in ${where}: ${issues.join('; ')}.`);
}

/** Of routes that are about one camera. */
export const cameraParam = z.object({
  camera: z.string().max(256).meta({ description: 'id of the camera' }),
});
export const cameraQuery = z.object({
  camera: z
    .string()
    .max(256)
    .optional()
    .meta({ description: 'id of the camera; may be left out where there is one' }),
});
