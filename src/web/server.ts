/** The HTTP server: opened once for all cameras of a run. */
import type { Socket } from 'node:net';
import websocket from '@fastify/websocket';
import { type FastifyInstance, fastify } from 'fastify';
import { type Address, checkReach, isLoopback, parseAddress, readToken, urlOf } from '../address.js';
import type { Bridge } from '../bridge/index.js';
import { ControlService, type Forward } from '../control/index.js';
import { BridgeError } from '../errors.js';
import { parseJson } from '../json.js';
import { Access } from './access.js';
import { CameraList } from './cameras.js';
import type { WebContext } from './context.js';
import { httpError, sendFailure } from './failures.js';
import { ROUTES } from './routes/index.js';
import { Viewers } from './viewers.js';

export interface WebOptions {
  /** `PORT`, `HOST:PORT` or `[IPV6]:PORT`; the host is 127.0.0.1 without one, and port 0 one that is free. */
  readonly http: string;
  /** What a client has to say; needed for any host that other machines reach. */
  readonly httpToken?: string | undefined;
  /** A file with the token in its first line. */
  readonly httpTokenFile?: string | undefined;
  /** NG frames of each camera that are kept with their results; default 100. */
  readonly keepNg?: number;
  /** Where they are kept, over runs; in memory without it. */
  readonly keepNgDir?: string | undefined;
  /** Of the run, in the lines of `/events`. */
  readonly runId: string;
}

export interface WebSettings {
  /** Closes the server when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** How long a viewer may take nothing of what waits for it, in milliseconds. */
  readonly stalledMs?: number;
}

const KEPT_NG = 100;
/** Connections at a time, viewers and others. */
const MAX_CONNECTIONS = 256;
/** Of a request: its body, and its head. */
const MAX_BODY_BYTES = 640 * 1024;
const MAX_HEAD_BYTES = 16 * 1024;
/** Milliseconds for a request's head, for all of it, between two on one connection, and for a connection that does nothing. */
const HEAD_MS = 5_000;
const REQUEST_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
const QUIET_MS = 60_000;
/** How often requests that take too long are looked for. */
const LOOK_MS = 1_000;
/** What a client may say on a WebSocket. */
const MAX_MESSAGE_BYTES = 4 * 1024;

export class WebServer {
  readonly #app: FastifyInstance;
  readonly #context: WebContext;
  readonly #access: Access;
  readonly #sockets = new Set<Socket>();
  /** `GET /api/cameras` and so on, as fastify has them; not those that only say what is wrong, and the page's files. */
  readonly registered: string[] = [];
  #address: Address;
  #closing: Promise<void> | undefined;

  private constructor(options: WebOptions, token: string | undefined, stalledMs: number | undefined) {
    this.#address = parseAddress(options.http);
    checkReach(this.#address, token);
    this.#context = {
      runId: options.runId,
      cameras: new CameraList({ keepNg: options.keepNg ?? KEPT_NG, keepNgDir: options.keepNgDir }),
      commands: new ControlService(),
      viewers: new Viewers(stalledMs),
      routes: [],
    };
    this.#app = makeApp();
    this.#app.addHook('onRoute', ({ method, url, config }) => {
      if (!config?.fallback) this.registered.push(`${String(method)} ${url.replace(/:(\w+)/g, '{$1}')}`);
    });
    this.#access = new Access(token, () => this.#address.port);
    this.#access.install(this.#app);
    this.#app.server.maxConnections = MAX_CONNECTIONS;
    this.#app.server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /**
   * Listens. OPTION_INVALID: the host is reached by other machines and there is no token; FILE_FAILED: the token's file
   * cannot be read; HTTP_FAILED: it cannot listen there.
   */
  static async open(options: WebOptions, { signal, stalledMs }: WebSettings = {}): Promise<WebServer> {
    signal?.throwIfAborted();
    const token = await readToken(options.httpToken, options.httpTokenFile);
    const server = new WebServer(options, token, stalledMs);
    try {
      await server.#listen();
      signal?.throwIfAborted();
    } catch (cause) {
      await server.close();
      throw cause;
    }
    signal?.addEventListener('abort', () => void server.close(), { once: true });
    return server;
  }

  /** Where the page is. */
  get url(): string {
    return urlOf(this.#address);
  }

  /** Whether clients have to say a token. */
  get needsToken(): boolean {
    return this.#access.needsToken;
  }

  /** Whether other machines may reach it. */
  get reachable(): boolean {
    return !isLoopback(this.#address.host);
  }

  /** Adds a camera until its bridge has ended. `forward`: carries out commands for one that is elsewhere. */
  add(bridge: Bridge, forward?: Forward): void {
    this.#context.commands.add(bridge, forward);
    this.#context.cameras.add(bridge);
  }

  /** A camera is waited for, and why. */
  waiting(port: string, error: BridgeError): void {
    this.#context.cameras.waiting(port, error);
  }

  /** A camera is not waited for any more. */
  left(port: string): void {
    this.#context.cameras.left(port);
  }

  /** Ends every connection, whatever its client does. Idempotent; never rejects. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#context.cameras.close();
    this.#context.commands.close();
    for (const client of this.#app.websocketServer?.clients ?? []) client.close(1001);
    const closed = this.#app.close().catch(() => undefined);
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #listen(): Promise<void> {
    const app = this.#app;
    await app.register(websocket, { options: { maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false } });
    for (const group of ROUTES) await app.register(async (inner) => group(inner, this.#context));
    try {
      await app.listen(this.#address);
    } catch (cause) {
      const { host, port } = this.#address;
      throw new BridgeError(
        'HTTP_FAILED',
        `The page cannot be served on ${host}:${port}: ${reason(cause)}.`,
        {
          context: { host, port, options: ['http'] },
          cause,
        },
      );
    }
    const bound = app.server.address();
    if (bound !== null && typeof bound === 'object') this.#address = { ...this.#address, port: bound.port };
  }
}

function makeApp(): FastifyInstance {
  const app = fastify({
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionTimeout: QUIET_MS,
    routerOptions: { maxParamLength: 256 },
    exposeHeadRoutes: false,
    forceCloseConnections: true,
    return503OnClosing: false,
    http: {
      headersTimeout: HEAD_MS,
      connectionsCheckingInterval: LOOK_MS,
      maxHeaderSize: MAX_HEAD_BYTES,
    },
  });
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, text, done) => {
    try {
      done(null, text === '' ? {} : parseJson(String(text)));
    } catch (cause) {
      done(httpError('HTTP_INVALID', `The body is no JSON that can be used: ${(cause as Error).message}.`));
    }
  });
  app.setErrorHandler((error, _request, reply) => sendFailure(reply, error));
  app.setNotFoundHandler(({ method, url }, reply) => {
    const path = url.split('?', 1)[0]!.slice(0, 128);
    return sendFailure(
      reply,
      httpError('HTTP_NOT_FOUND', `There is no ${method} ${path}: see /openapi.json.`),
    );
  });
  return app;
}

function reason(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') return 'another program listens there; choose another port';
  if (code === 'EACCES') return 'ports below 1024 need a permission; choose a higher one';
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') return 'this machine has no such address';
  return message;
}
