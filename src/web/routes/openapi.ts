/** `/openapi.json`: the routes as they are, from the schemas that check them. */
import { z } from 'zod';
import { packageVersion } from '../../package.js';
import type { RouteGroup } from '../context.js';
import { failureSchema } from '../failures.js';
import { type Answer, type RouteDescription, route } from '../route.js';

export const openApiRoutes: RouteGroup = (app, context) => {
  let document: object | undefined;
  route(
    app,
    context,
    {
      ...{ method: 'GET', path: '/openapi.json', tag: 'about', summary: 'This document' },
      answers: { 200: { description: 'OpenAPI 3.1', schema: z.looseObject({ openapi: z.string() }) } },
    },
    () => {
      document ??= openApi(context.routes);
      return document;
    },
  );
};

/** The document of some routes. */
export function openApi(routes: readonly RouteDescription[]): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const one of routes) {
    paths[one.path] ??= {};
    paths[one.path]![one.method.toLowerCase()] = operation(one);
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'openmv-bridge',
      version: packageVersion(),
      description: 'Cameras of a running bridge. Errors are `{code, message}`.',
    },
    components: {
      schemas: { Failure: form(failureSchema, 'output') },
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'only where the bridge was started with a token',
        },
      },
    },
    security: [{}, { token: [] }],
    paths,
  };
}

function operation({
  method,
  path,
  summary,
  tag,
  params,
  query,
  body,
  answers,
  open,
}: RouteDescription): object {
  const name = path.replace(/[^\w]+/g, '_').replace(/^_|_$/g, '') || 'page';
  return {
    operationId: `${method.toLowerCase()}_${name}`,
    ...{ summary, tags: [tag] },
    ...(open ? { security: [{}] } : {}),
    parameters: [...parameters('path', params), ...parameters('query', query)],
    ...(body
      ? { requestBody: { required: true, content: { 'application/json': { schema: form(body, 'input') } } } }
      : {}),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer)])),
      default: {
        description: 'an error',
        content: { 'application/json': { schema: { $ref: '#/components/schemas/Failure' } } },
      },
    },
  };
}

function parameters(where: 'path' | 'query', schema: z.ZodObject | undefined): object[] {
  if (!schema) return [];
  const { properties = {}, required = [] } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, property]) => {
    const { description, ...rest } = property as Record<string, unknown>;
    return {
      ...{ name, in: where, required: where === 'path' || required.includes(name), schema: rest },
      ...(description === undefined ? {} : { description }),
    };
  });
}

function response({ description, schema, mediaType = 'application/json' }: Answer): object {
  if (!schema && mediaType === 'application/json') return { description };
  return { description, content: { [mediaType]: schema ? { schema: form(schema, 'output') } : {} } };
}

/** A schema's JSON schema; one that brings its own (`meta({ override })`) is what that says. */
function form(schema: z.ZodType, io: 'input' | 'output'): object {
  const own = schema.meta()?.['override'];
  if (own !== undefined) return own as object;
  const { $schema: _version, ...rest } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    reused: 'inline',
  });
  return rest;
}
