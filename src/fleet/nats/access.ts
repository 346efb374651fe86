/** How a NATS server is reached: URLs, credentials and certificates, from options, files and the environment. */
import { readFile } from 'node:fs/promises';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  errors,
  type NatsConnection,
} from '@nats-io/transport-node';
import { BridgeError, type ErrorCode } from '../../errors.js';
import { readProblem } from '../../files.js';
import type { NatsClientOptions } from '../../options/index.js';

export type NatsAccess = Partial<NatsClientOptions> & Pick<NatsClientOptions, 'nats'>;

/** The longest wait for a server that takes the connection and says nothing. */
const CONNECT_MS = 5_000;
/** A server that answers none of two pings has gone: noticed within three of these. */
const PING_MS = 2_000;

/** Options of a connection. OPTION_INVALID: a file that cannot be read. */
export async function connectionOptions(access: NatsAccess, name: string): Promise<ConnectionOptions> {
  const { env } = process;
  const creds = await contents(access.natsCreds ?? env['NATS_CREDS'], 'natsCreds');
  const [ca, cert, key] = await Promise.all([
    contents(access.natsCa ?? env['NATS_CA'], 'natsCa'),
    contents(access.natsCert ?? env['NATS_CERT'], 'natsCert'),
    contents(access.natsKey ?? env['NATS_KEY'], 'natsKey'),
  ]);
  const servers = access.nats.split(',');
  const encrypted = servers.some((url) => url.startsWith('tls:')) || [ca, cert, key].some(Boolean);
  const { NATS_USER: user, NATS_PASSWORD: pass, NATS_TOKEN: token } = env;
  return {
    name,
    servers,
    // A lost connection is a new one here, so that nothing that was under way is answered under another.
    reconnect: false,
    timeout: CONNECT_MS,
    pingInterval: PING_MS,
    maxPingOut: 2,
    ...(creds ? { authenticator: credsAuthenticator(creds) } : {}),
    ...(user === undefined ? {} : { user, ...(pass === undefined ? {} : { pass }) }),
    ...(token === undefined ? {} : { token }),
    ...(encrypted
      ? {
          tls: {
            ...(ca ? { ca: text(ca) } : {}),
            ...(cert ? { cert: text(cert) } : {}),
            ...(key ? { key: text(key) } : {}),
          },
        }
      : {}),
  };
}

/** A connection; BROKER_FAILED or BROKER_DENIED says what to do. */
export async function connectTo(options: ConnectionOptions): Promise<NatsConnection> {
  try {
    return await connect(options);
  } catch (cause) {
    throw connectionError(cause, options);
  }
}

/** Why there is no connection, in words that do not change from one attempt to the next. */
export function connectionError(cause: unknown, { servers, tls }: ConnectionOptions): BridgeError {
  const where = `NATS at ${[servers].flat().join(', ')}`;
  const error = (code: ErrorCode, text: string, option: string): BridgeError =>
    new BridgeError(code, `${where} ${text}`, { cause, context: { servers, options: [option] } });
  const words = wordsOf(cause);
  if (cause instanceof errors.AuthorizationError || /authorization|authenticat/i.test(words)) {
    const advice = 'give it the credentials of a user that it knows';
    return error('BROKER_DENIED', `refuses these credentials: ${advice}.`, 'natsCreds');
  }
  if (/self.signed|unable to (verify|get)|altnames|certificate|ssl|tls/i.test(words)) {
    const advice = tls
      ? 'check the certificates, and that the server is named as in its own'
      : 'it wants TLS: give the certificates by which its own is checked';
    return error(
      'BROKER_DENIED',
      `cannot be trusted, or does not trust this client (${words}): ${advice}.`,
      'natsCa',
    );
  }
  if (/refused|ENOTFOUND|EAI_AGAIN|EHOST|ENET|timeout/i.test(words)) {
    return error(
      'BROKER_FAILED',
      `does not answer (${words}). Is the server running, and the address right?`,
      'nats',
    );
  }
  return error('BROKER_FAILED', `cannot be used: ${words}.`, 'nats');
}

function wordsOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause ?? 'the connection was closed');
  const code = (cause as NodeJS.ErrnoException).code;
  return `${cause.message || cause.name}${code && !cause.message.includes(code) ? `, ${code}` : ''}`;
}

async function contents(path: string | undefined, option: string): Promise<Uint8Array | undefined> {
  if (path === undefined || path === '') return undefined;
  try {
    return await readFile(path);
  } catch (cause) {
    throw new BridgeError('OPTION_INVALID', `The file ${path} cannot be read: ${readProblem(cause)}.`, {
      cause,
      context: { path, options: [option] },
    });
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
