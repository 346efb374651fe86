/** What the tests of the HTTP server share: bridges on virtual cameras, a server, clients that behave and that do not. */
import { connect, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach } from 'vitest';
import WebSocket from 'ws';
import type { Bridge } from '../../../src/bridge/bridge.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
import type { Frame } from '../../../src/frames/index.js';
import type { BridgeInput } from '../../../src/options/index.js';
import { type WebOptions, WebServer, type WebSettings } from '../../../src/web/index.js';

const open: (() => unknown)[] = [];
let cameras = 40;

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

/** Something to be closed when the test ends. */
export function atEnd(close: () => unknown): void {
  open.push(close);
}

export async function serve(
  options: Partial<WebOptions> = {},
  settings: WebSettings = {},
): Promise<WebServer> {
  const server = await WebServer.open({ http: '0', runId: 'a-run-of-a-test', ...options }, settings);
  atEnd(() => server.close());
  return server;
}

/** A bridge on a virtual camera, which a server shows. */
export async function shown(server: WebServer, input: BridgeInput = {}): Promise<Bridge> {
  const { virtual, ...rest } = input;
  const bridge = await openBridge({
    port: 'virtual',
    shm: false,
    virtual: { id: ++cameras, ...virtual },
    ...rest,
  });
  atEnd(() => bridge.close());
  server.add(bridge);
  await bridge.start();
  return bridge;
}

export async function until(what: string, test: () => unknown, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!(await test())) {
    if (performance.now() > end) throw new Error(`It did not happen within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

// biome-ignore lint/suspicious/noExplicitAny: the forms are what the tests are about
export type Json = any;

export interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

/** A request whose answer is JSON. */
export async function ask(server: WebServer, path: string, init: RequestInit = {}): Promise<Got> {
  const answer = await fetch(new URL(path, server.url), { redirect: 'manual', ...init });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: text === '' ? undefined : JSON.parse(text) };
}

export function post(server: WebServer, path: string, body: object = {}, method = 'POST'): Promise<Got> {
  const headers = { 'Content-Type': 'application/json' };
  return ask(server, path, { method, headers, body: JSON.stringify(body) });
}

/** A connection that sends what it is told to, byte by byte, and reads when it is asked to. */
export function raw(
  server: WebServer,
  text = '',
): { socket: Socket; text: () => string; closed: Promise<void> } {
  const { hostname, port } = new URL(server.url);
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) });
  let got = '';
  socket.on('error', () => undefined);
  socket.setEncoding('latin1').on('data', (piece: string) => {
    got += piece;
  });
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  atEnd(() => socket.destroy());
  if (text) socket.write(text);
  return { socket, text: () => got, closed };
}

/** The lines of a request to the server, its Host unless `headers` have one. */
export function request(
  server: WebServer,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): string {
  const all = { Host: new URL(server.url).host, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

export interface PictureMessage {
  readonly header: Json;
  readonly jpeg: Buffer;
}

/** A client of `/ws`. */
export class Viewer {
  readonly socket: WebSocket;
  readonly opened: Promise<void>;
  readonly closed: Promise<number>;
  readonly pictures: PictureMessage[] = [];
  #wake: () => void = () => undefined;

  constructor(server: WebServer, query = '', headers: Readonly<Record<string, string>> = {}) {
    const url = new URL(`ws${query}`, server.url);
    this.socket = new WebSocket(url.href.replace(/^http/, 'ws'), { headers });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve).once('error', reject);
    });
    this.opened.catch(() => undefined);
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.on('error', () => undefined);
    this.socket.on('message', (data: Buffer) => {
      const end = 4 + data.readUInt32LE(0);
      this.pictures.push({ header: JSON.parse(data.toString('utf8', 4, end)), jpeg: data.subarray(end) });
      this.#wake();
    });
    atEnd(() => this.socket.terminate());
  }

  /** Asks for the next picture and waits for it. */
  async next(): Promise<PictureMessage> {
    await this.opened;
    const came = new Promise<void>((resolve) => (this.#wake = resolve));
    this.socket.send('ready');
    await came;
    return this.pictures.at(-1)!;
  }
}

/** An algorithm that finds every frame of an odd number NG, with a rectangle. */
export const ODD_NG = [
  process.execPath,
  fileURLToPath(new URL('../program/adapters/paced.mjs', import.meta.url)),
  '1',
  'odd-ng',
];

/** Frames of a bridge, as they were delivered, by their sequences. */
export function collect(bridge: Bridge): Map<number, Frame> {
  const frames = new Map<number, Frame>();
  const subscription = bridge.frames$.subscribe({
    next: (frame) => frames.set(frame.sequence, frame),
    error: () => undefined,
  });
  atEnd(() => subscription.unsubscribe());
  return frames;
}

export interface SentEvent {
  readonly id: string;
  readonly event: string;
  readonly data: Json;
}

/** A client of `/events`, as `EventSource` is one. */
export class EventClient {
  readonly events: SentEvent[] = [];
  readonly #abort = new AbortController();
  readonly closed: Promise<void>;
  status: number | undefined;

  constructor(server: WebServer, query = '', headers: Readonly<Record<string, string>> = {}) {
    atEnd(() => this.close());
    this.closed = this.#read(new URL(`events${query}`, server.url), headers).catch(() => undefined);
  }

  close(): void {
    this.#abort.abort();
  }

  of(event: string): SentEvent[] {
    return this.events.filter((one) => one.event === event);
  }

  async #read(url: URL, headers: Readonly<Record<string, string>>): Promise<void> {
    const answer = await fetch(url, { headers, signal: this.#abort.signal });
    this.status = answer.status;
    let rest = '';
    for await (const piece of answer.body!.pipeThrough(new TextDecoderStream())) {
      const parts = (rest + piece).split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) this.#take(part);
    }
  }

  #take(text: string): void {
    const fields = new Map<string, string>();
    for (const line of text.split('\n')) {
      const colon = line.indexOf(': ');
      if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
    }
    const data = fields.get('data');
    if (data === undefined) return;
    this.events.push({
      id: fields.get('id') ?? '',
      event: fields.get('event') ?? '',
      data: JSON.parse(data),
    });
  }
}

/** Parts of a `multipart/x-mixed-replace` answer, as far as it has come. */
export function pictures(text: string): { readonly sequence: number; readonly jpeg: Buffer }[] {
  const [, ...parts] = text.split('--openmv-frame\r\n');
  return parts.flatMap((part) => {
    const [head = '', ...body] = part.split('\r\n\r\n');
    const jpeg = Buffer.from(body.join('\r\n\r\n'), 'latin1').subarray(0, -2);
    const length = Number(/Content-Length: (\d+)/.exec(head)?.[1]);
    return jpeg.length === length
      ? [{ sequence: Number(/X-Frame-Sequence: (\d+)/.exec(head)?.[1]), jpeg }]
      : [];
  });
}

/** Those that the contract names. */
export const MAIN_ROUTES = [
  'GET /',
  'GET /api/cameras',
  'GET /api/cameras/{camera}',
  'GET /api/cameras/{camera}/controls',
  'PUT /api/cameras/{camera}/controls',
  'GET /api/cameras/{camera}/frames/{file}',
  'GET /api/cameras/{camera}/history',
  'GET /api/cameras/{camera}/results',
  'GET /stream.mjpg',
  'GET /events',
  'GET /ws',
  'GET /healthz',
  'GET /readyz',
  'GET /metrics',
  'POST /mcp',
  'GET /openapi.json',
];
