/** Who may ask, and how: the checks before each request, and the headers of each answer. */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { hostName, isLoopback } from '../address.js';
import { httpError } from './failures.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Answered without a token as well: it tells nothing. */
    open?: boolean;
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
/** Whether two texts are equal, in a time that does not tell where they differ. */
const same = (one: string, other: string): boolean => timingSafeEqual(digest(one), digest(other));

const HEADERS: Readonly<Record<string, string>> = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

/** `script-src` may have hashes: of the page's import map, which cannot be a file. */
export function contentPolicy(hashes: readonly string[] = []): string {
  const scripts = ["'self'", ...hashes.map((hash) => `'${hash}'`)].join(' ');
  return [
    "default-src 'none'",
    `script-src ${scripts}`,
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "worker-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Headers of every answer, also of those that are written without fastify. */
export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  ...HEADERS,
  'Content-Security-Policy': contentPolicy(),
};

export class Access {
  readonly #token: string | undefined;
  readonly #cookie: string | undefined;
  readonly #port: () => number;

  /** Without a token this machine's own names are the only ones that are served. */
  constructor(token: string | undefined, port: () => number) {
    this.#token = token;
    // The cookie does not tell the token.
    this.#cookie =
      token === undefined ? undefined : createHash('sha256').update(`cookie ${token}`).digest('hex');
    this.#port = port;
  }

  get needsToken(): boolean {
    return this.#token !== undefined;
  }

  install(app: FastifyInstance): void {
    app.addHook('onRequest', async (request, reply) => {
      reply.headers(COMMON_HEADERS);
      this.#checkHost(request);
      this.#checkOrigin(request);
      this.#checkForm(request);
      if (this.#token === undefined || request.routeOptions.config.open) return;
      if (this.#admits(request)) return;
      if (this.#greet(request, reply)) return reply;
      throw httpError(
        'HTTP_DENIED',
        'A token is needed: open /?token=TOKEN once, or send the header Authorization: Bearer TOKEN.',
        401,
      );
    });
  }

  /** A name that another web site has pointed here (DNS rebinding) is not ours. */
  #checkHost({ headers }: FastifyRequest): void {
    const name = hostName(headers.host ?? '');
    if (name !== undefined && (this.#token !== undefined || isLoopback(name))) return;
    throw httpError(
      'HTTP_DENIED',
      'The Host of the request is not this machine: use 127.0.0.1, [::1] or localhost, or start with a token.',
    );
  }

  /** A browser says which site a request comes from: other sites may at most lead to the page. */
  #checkOrigin({ headers, method, raw }: FastifyRequest): void {
    const { origin, host } = headers;
    const site = headers['sec-fetch-site'];
    const foreign = site === 'cross-site' || site === 'same-site';
    const link = method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && pathOf(raw.url) === '/';
    const own = origin === undefined || /^https?:\/\/(.*)$/.exec(origin)?.[1] === host;
    if (own && (!foreign || link)) return;
    throw httpError('HTTP_DENIED', 'The request comes from another web site, which may not use this server.');
  }

  /** What changes something has a content type that other sites cannot send unasked. */
  #checkForm({ method, headers }: FastifyRequest): void {
    if (method === 'GET' || method === 'HEAD') return;
    if (/^application\/json\s*(;|$)/i.test(headers['content-type'] ?? '')) return;
    throw httpError('HTTP_INVALID', 'The content type must be application/json.', 415);
  }

  #admits({ headers }: FastifyRequest): boolean {
    const [, bearer] = /^Bearer\s+(\S+)\s*$/i.exec(headers.authorization ?? '') ?? [];
    if (bearer !== undefined) return same(bearer, this.#token!);
    const name = this.#cookieName;
    for (const part of (headers.cookie ?? '').split(';')) {
      const [key, value = ''] = part.trim().split('=');
      if (key === name && same(value, this.#cookie!)) return true;
    }
    return false;
  }

  /** `/?token=TOKEN` gives a cookie and leads to the page, so that the token stays in no address. */
  #greet({ method, raw, headers }: FastifyRequest, reply: FastifyReply): boolean {
    if (method !== 'GET' || pathOf(raw.url) !== '/') return false;
    const given = new URLSearchParams(raw.url?.split('?')[1]).get('token');
    if (given === null || !same(given, this.#token!)) return false;
    reply.header('Set-Cookie', `${this.#cookieName}=${this.#cookie}; Path=/; HttpOnly; SameSite=Strict`);
    const site = headers['sec-fetch-site'];
    if (site === undefined || site === 'none' || site === 'same-origin') {
      void reply.redirect('/', 303);
      return true;
    }
    // Behind a link of another site, the browser would follow the redirection without the cookie.
    void reply
      .type('text/html; charset=utf-8')
      .send('<!doctype html><meta http-equiv="refresh" content="0;url=/"><title>openmv-bridge</title>');
    return true;
  }

  /** Cookies of a host hold for all of its ports. */
  get #cookieName(): string {
    return `openmv_bridge_${this.#port()}`;
  }
}

const pathOf = (url = ''): string => url.split('?', 1)[0]!;
