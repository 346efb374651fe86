/** How errors are told over HTTP: a status, and `{code, message}`. */
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { asBridgeError, BridgeError, type ErrorCode } from '../errors.js';

const STATUS: Partial<Record<ErrorCode, number>> = {
  OPTION_INVALID: 400,
  HTTP_INVALID: 400,
  HTTP_DENIED: 403,
  HTTP_NOT_FOUND: 404,
  HTTP_BUSY: 503,
  CAMERA_REFUSED: 422,
  SCRIPT_FAILED: 422,
  UNSUPPORTED: 422,
  CHANNEL_MISSING: 409,
  PORT_CLOSED: 503,
  BRIDGE_CLOSED: 503,
  CAMERA_SILENT: 504,
};

export const failureSchema = z
  .object({
    code: z.string().meta({ description: 'for programs; docs/troubleshooting.md has them all' }),
    message: z.string().meta({ description: 'for people: what is wrong and what to do' }),
    errors: z
      .record(z.string(), z.string())
      .optional()
      .meta({ description: "the sensor's own words, by setting" }),
  })
  .meta({ description: 'An error.' });

/** An error of a request. `status` where the code alone does not say it. */
export function httpError(code: ErrorCode, message: string, status?: number): BridgeError {
  return new BridgeError(code, message, status === undefined ? {} : { context: { status } });
}

/** Status and body for whatever a handler has thrown. */
export function failureOf(cause: unknown): { status: number; body: z.infer<typeof failureSchema> } {
  const error = toBridgeError(cause);
  const { status, errors } = error.context;
  return {
    status: typeof status === 'number' ? status : (STATUS[error.code] ?? 500),
    body: {
      ...{ code: error.code, message: error.message },
      ...(error.code === 'CAMERA_REFUSED' && errors ? { errors: errors as Record<string, string> } : {}),
    },
  };
}

export function sendFailure(reply: FastifyReply, cause: unknown): FastifyReply {
  const { status, body } = failureOf(cause);
  if (status === 401) reply.header('WWW-Authenticate', 'Bearer');
  return reply.code(status).type('application/json').send(JSON.stringify(body));
}

/** What fastify says of a request that it does not take has a status of its own. */
function toBridgeError(cause: unknown): BridgeError {
  if (cause instanceof BridgeError) return cause;
  const status = cause instanceof Error && 'statusCode' in cause ? Number(cause.statusCode) : 500;
  if (status < 400 || status >= 500) return asBridgeError(cause);
  return httpError('HTTP_INVALID', `${(cause as Error).message}.`.replace(/\.\.$/, '.'), status);
}
