/** The channels of a recording live, for Foxglove and Lichtblick: `--foxglove [HOST:]PORT`. */
import { timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import protocol from '@foxglove/ws-protocol';
import { WebSocketServer } from 'ws';
import {
  type Address,
  checkReach,
  hostName,
  isLoopback,
  parseAddress,
  readToken,
  urlOf,
} from '../address.js';
import type { Bridge } from '../bridge/index.js';
import { BridgeError } from '../errors.js';
import { liveClient } from './live-client.js';
import {
  eventMessages,
  frameLineMessage,
  frameMessage,
  type Message,
  outcomeMessages,
  statsMessage,
} from './messages.js';
import { type ChannelKind, messageEncoding, SCHEMAS, topicOf } from './schemas.js';

const MAX_CLIENTS = 16;
/** Viewers send subscriptions. */
const MAX_REQUEST = 2 ** 20;
/** What each camera has; `/log` is common to all. */
const KINDS: readonly ChannelKind[] = ['frame', 'annotations', 'result', 'event', 'stats'];
/** Where viewers that run in a browser come from, beside this machine. */
const VIEWERS = /^https:\/\/([a-z0-9-]+\.)*foxglove\.dev$/;

export interface LiveOptions {
  /** `PORT`, `HOST:PORT` or `[IPV6]:PORT`. */
  readonly foxglove: string;
  readonly httpToken?: string | undefined;
  readonly httpTokenFile?: string | undefined;
}

export class LiveServer {
  readonly #http: Server;
  readonly #sockets: WebSocketServer;
  readonly #server = new protocol.FoxgloveServer({ name: 'openmv-bridge' });
  readonly #token: string | undefined;
  readonly #channels = new Map<string, number>();
  /** Channels that someone looks at. */
  readonly #wanted = new Set<number>();
  #address: Address;

  private constructor(address: Address, token: string | undefined) {
    this.#address = address;
    this.#token = token;
    checkReach(address, token);
    this.#server.on('subscribe', (channel) => this.#wanted.add(channel));
    this.#server.on('unsubscribe', (channel) => this.#wanted.delete(channel));
    // What a viewer sends that is no request of the protocol.
    this.#server.on('error', () => undefined);
    this.#sockets = new WebSocketServer({
      noServer: true,
      maxPayload: MAX_REQUEST,
      handleProtocols: (protocols) => this.#server.handleProtocols(protocols),
    });
    this.#sockets.on('connection', (socket, request: IncomingMessage) => {
      this.#server.handleConnection(liveClient(socket), String(request.socket.remoteAddress));
    });
    this.#http = createServer((_request, response) => {
      response
        .writeHead(426, { 'Content-Type': 'text/plain' })
        .end('Open this address in Foxglove or Lichtblick.\n');
    });
    this.#http.on('upgrade', (request, socket, head) => {
      const refusal = this.#refusal(request);
      if (refusal !== undefined) {
        socket.end(`HTTP/1.1 ${refusal}\r\nConnection: close\r\n\r\n`);
        return;
      }
      this.#sockets.handleUpgrade(request, socket, head, (client) => {
        this.#sockets.emit('connection', client, request);
      });
    });
    this.#channel('log', '');
  }

  /** Listens. OPTION_INVALID: other machines reach it and there is no token; FILE_FAILED: its file; HTTP_FAILED. */
  static async open({ foxglove, httpToken, httpTokenFile }: LiveOptions): Promise<LiveServer> {
    const token = await readToken(httpToken, httpTokenFile);
    const live = new LiveServer(parseAddress(foxglove), token);
    await live.#listen();
    return live;
  }

  /** What viewers are told to open. */
  get url(): string {
    return urlOf(this.#address).replace(/^http/, 'ws');
  }

  get needsToken(): boolean {
    return this.#token !== undefined;
  }

  /** Serves a bridge that is open, until it is closed. */
  add(bridge: Bridge): void {
    const { cameraId } = bridge;
    const channels = new Map(KINDS.map((kind) => [kind, this.#channel(kind, cameraId)]));
    const wants = (kind: ChannelKind): boolean => this.#wanted.has(channels.get(kind)!);
    bridge.frames$.subscribe({
      next: (frame) => {
        if (wants('frame')) this.#send(frameMessage(frame));
        if (wants('event')) this.#send(frameLineMessage(frame));
      },
      // The bridge tells of it elsewhere.
      error: () => undefined,
    });
    bridge.events$.subscribe((event) => eventMessages(event).forEach(this.#send));
    bridge.stats$.subscribe((stats) => this.#send(statsMessage(stats)));
    bridge.outcomes$.subscribe((outcome) => outcomeMessages(outcome).forEach(this.#send));
    const gone = (): void => {
      for (const [kind, channel] of channels) {
        // The same camera may be there again.
        const topic = topicOf(kind, cameraId);
        if (this.#channels.get(topic) === channel) this.#channels.delete(topic);
        this.#wanted.delete(channel);
        this.#server.removeChannel(channel);
      }
    };
    bridge.done.then(gone, gone);
  }

  /** Ends all connections. Idempotent. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#http.close(() => resolve()));
    for (const client of this.#sockets.clients) client.terminate();
    this.#http.closeAllConnections();
    await closed;
  }

  readonly #send = (message: Message): void => {
    const channel = this.#channels.get(topicOf(message.kind, message.cameraId));
    if (channel === undefined || !this.#wanted.has(channel)) return;
    this.#server.sendMessage(channel, message.logTime, message.data as Uint8Array<ArrayBuffer>);
  };

  #channel(kind: ChannelKind, cameraId: string): number {
    const topic = topicOf(kind, cameraId);
    const schema = SCHEMAS[kind];
    const bytes = Buffer.from(schema.data);
    const channel = this.#server.addChannel({
      topic,
      encoding: messageEncoding(schema),
      schemaName: schema.name,
      schemaEncoding: schema.encoding,
      schema: bytes.toString(schema.encoding === 'protobuf' ? 'base64' : 'utf8'),
    });
    this.#channels.set(topic, channel);
    return channel;
  }

  /** Why a connection is refused, as the status line has it; undefined: it is not. */
  #refusal({ headers, url = '' }: IncomingMessage): string | undefined {
    if (this.#sockets.clients.size >= MAX_CLIENTS) return '503 Service Unavailable';
    const token = this.#token;
    if (token !== undefined) {
      const given = new URLSearchParams(url.split('?')[1]).get('token') ?? '';
      return same(given, token) ? undefined : '401 Unauthorized';
    }
    // A name that another web site has pointed here, or that site itself.
    const host = hostName(headers.host ?? '');
    if (host === undefined || !isLoopback(host)) return '403 Forbidden';
    return fromViewer(headers.origin) ? undefined : '403 Forbidden';
  }

  #listen(): Promise<void> {
    const { host, port } = this.#address;
    return new Promise((resolve, reject) => {
      this.#http.on('error', (cause) => {
        const message = `The channels for Foxglove cannot be served on ${host}:${port}: ${cause.message}. Choose another port, or 0 for any that is free.`;
        reject(new BridgeError('HTTP_FAILED', message, { cause }));
      });
      this.#http.listen(port, host, () => {
        this.#address = { host, port: (this.#http.address() as AddressInfo).port };
        resolve();
      });
    });
  }
}

/** Programs send no origin, or that of a file. */
function fromViewer(origin: string | undefined): boolean {
  if (origin === undefined || origin === 'file://' || VIEWERS.test(origin)) return true;
  const host = hostName(/^https?:\/\/(.*)$/.exec(origin)?.[1] ?? '');
  return host !== undefined && isLoopback(host);
}

function same(given: string, wanted: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(wanted)];
  return one.length === other.length && timingSafeEqual(one, other);
}
