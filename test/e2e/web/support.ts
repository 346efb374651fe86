/** What the tests of the HTTP server share: bridges on virtual cameras, a server, clients that behave and that do not. */
import { connect, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import WebSocket from 'ws';
import type { Bridge } from '../../../src/bridge/bridge.js';
import { openBridge } from '../../../src/bridge/open-bridge.js';
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
    got = (got + piece).slice(-1_000_000);
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
