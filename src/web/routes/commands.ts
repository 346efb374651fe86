/** `/api/commands/NAME`: the commands of the control socket, but for those that would reach files. */
import { z } from 'zod';
import {
  COMMANDS,
  type Command,
  FILE_PARAMS,
  fileRefusal,
  LOCAL_COMMANDS,
  similarNames,
} from '../../control/index.js';
import type { RouteGroup, WebContext } from '../context.js';
import { httpError } from '../failures.js';
import { cameraQuery, route } from '../route.js';

/** Not over HTTP, and what to do in its place. */
const REFUSED: Readonly<Record<string, string>> = {
  subscribe: 'Events are at /events.',
  ...LOCAL_COMMANDS,
};

/** The commands that there are over HTTP. */
export const HTTP_COMMANDS: readonly Command[] = COMMANDS.filter(({ name }) => !(name in REFUSED));

const bodySchema = z.record(z.string(), z.unknown());
const replySchema = z
  .looseObject({ status: z.literal('success'), message: z.string().optional() })
  .meta({ description: 'the reply, as on the control socket' });

export const commandRoutes: RouteGroup = (app, context) => {
  for (const command of HTTP_COMMANDS) {
    route(
      app,
      context,
      {
        ...{ method: 'POST', path: `/api/commands/${command.name}`, tag: 'commands' },
        summary: command.help,
        query: cameraQuery,
        body: bodySchema.meta({ override: bodyForm(command) }),
        answers: { 200: { description: 'done', schema: replySchema } },
      },
      ({ query, body }) => carryOut(context, command, body, query.camera),
    );
  }
  app.post<{ Params: { name: string } }>(
    '/api/commands/:name',
    { config: { fallback: true } },
    ({ params }) => {
      const refused = REFUSED[params.name];
      if (refused !== undefined) throw httpError('HTTP_DENIED', refused);
      const similar = similarNames(params.name.slice(0, 64)).filter((name) => !(name in REFUSED));
      const hint = similar.length > 0 ? ` Do you mean ${similar.join(' or ')}?` : '';
      const named = params.name.slice(0, 64);
      throw httpError('HTTP_NOT_FOUND', `There is no command ${named}.${hint} /openapi.json has them all.`);
    },
  );
};

/** Carries out a command of a client that may not name files; `camera`: its id, which may be among `body` as well. */
export function carryOut(
  context: WebContext,
  command: Command,
  { camera: inBody, ...params }: Readonly<Record<string, unknown>>,
  camera = inBody === undefined ? undefined : String(inBody),
): Promise<Readonly<Record<string, unknown>>> {
  const file = FILE_PARAMS.find((name) => name in params);
  if (file !== undefined) {
    throw httpError('HTTP_DENIED', fileRefusal(file, 'HTTP'));
  }
  const wanted = command.needsCamera ? context.cameras.find(camera).id : undefined;
  return context.commands.perform(command.name, params, wanted);
}

declare module 'fastify' {
  interface FastifyContextConfig {
    /** It only says what is wrong: not in OpenAPI. */
    fallback?: boolean;
  }
}

/** The JSON schema of a command's body. */
export function bodyForm({ params }: Command): Record<string, unknown> {
  const { $schema: _version, ...form } = z.toJSONSchema(params, { io: 'input', unrepresentable: 'any' });
  const all = Object.entries(form.properties ?? {}).filter(([name]) => !FILE_PARAMS.includes(name));
  return { ...form, properties: Object.fromEntries(all) };
}
