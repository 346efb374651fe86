/** A real NATS server for a test, behind a relay whose port stays the same over the server's lives. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectNats, type NatsConnection } from '@nats-io/transport-node';
import { expect, onTestFinished } from 'vitest';
import { needs } from '../../support/needs.js';

export class TestNats {
  readonly dir = mkdtempSync(join(tmpdir(), 'openmv-nats-'));
  readonly #args: readonly string[];
  readonly #relay: Server;
  readonly #sockets = new Set<Socket>();
  readonly #clients: NatsConnection[] = [];
  #server: ChildProcess | undefined;
  #serverPort = 0;
  #stalled = false;
  #port = 0;

  /** Starts one, with further arguments, for the length of a test. */
  static async start(...args: string[]): Promise<TestNats> {
    needs('nats-server');
    const nats = new TestNats(args);
    onTestFinished(() => nats.close());
    await nats.listen();
    await nats.start();
    return nats;
  }

  private constructor(args: readonly string[]) {
    this.#args = args;
    this.#relay = createServer((client) => this.#pass(client));
  }

  get url(): string {
    return `nats://127.0.0.1:${this.#port}`;
  }

  /** Of the server itself; another one after each start. */
  get direct(): string {
    return `nats://127.0.0.1:${this.#serverPort}`;
  }

  async listen(): Promise<void> {
    this.#relay.listen(0, '127.0.0.1');
    await once(this.#relay, 'listening');
    this.#port = (this.#relay.address() as AddressInfo).port;
  }

  async start(): Promise<void> {
    const ports = join(this.dir, 'ports');
    rmSync(ports, { recursive: true, force: true });
    mkdirSync(ports);
    this.#server = spawn(
      'nats-server',
      [
        '-a',
        '127.0.0.1',
        '-p',
        '-1',
        '--ports_file_dir',
        ports,
        '-sd',
        join(this.dir, 'store'),
        ...this.#args,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let log = '';
    this.#server.stderr!.setEncoding('utf8').on('data', (text: string) => (log += text));
    await expect
      .poll(
        () => {
          if (this.#server!.exitCode !== null) throw new Error(`nats-server ended: ${log}`);
          const [file] = readdirSync(ports);
          return file === undefined ? '' : readFileSync(join(ports, file), 'utf8');
        },
        { timeout: 30_000 },
      )
      .toContain('}');
    const { nats } = JSON.parse(readFileSync(join(ports, readdirSync(ports)[0]!), 'utf8'));
    this.#serverPort = Number(new URL(String(nats[0])).port);
  }

  /** SIGSTOP, SIGCONT; SIGHUP: it reads its configuration again. */
  signal(name: NodeJS.Signals): void {
    this.#server!.kill(name);
  }

  /** Kills it as a power cut would. */
  async kill(): Promise<void> {
    const server = this.#server!;
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Nothing passes between clients and the server any more; the connections stand. */
  stall(stalled = true): void {
    this.#stalled = stalled;
    for (const socket of this.#sockets) stalled ? socket.pause() : socket.resume();
  }

  /** A client of the test, past the relay. */
  async client(options: object = {}): Promise<NatsConnection> {
    const client = await connectNats({ servers: this.direct, reconnect: false, ...options });
    this.#clients.push(client);
    return client;
  }

  async close(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.close()));
    this.#relay.close();
    if (this.#server && this.#server.exitCode === null && this.#server.signalCode === null) await this.kill();
    for (const socket of this.#sockets) socket.destroy();
    rmSync(this.dir, { recursive: true, force: true });
  }

  #pass(client: Socket): void {
    const server = connect(this.#serverPort, '127.0.0.1');
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.setNoDelay(true);
      socket.on('data', (bytes) => other.write(bytes));
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      if (this.#stalled) socket.pause();
    }
  }
}

/** Every message of a stream, by the words of its subject behind the camera. */
export async function storedMessages(
  client: NatsConnection,
  stream: string,
): Promise<{ kind: string; data: Uint8Array; header: (name: string) => string; json: () => JsonObject }[]> {
  const { jetstreamManager } = await import('@nats-io/jetstream');
  const manager = await jetstreamManager(client);
  const { state } = await manager.streams.info(stream);
  const messages = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(stream, { seq });
    if (!message) continue;
    const { subject, data, header } = message;
    messages.push({
      kind: subject.split('.').at(-1)!,
      data,
      header: (name: string) => header.get(name),
      json: () => JSON.parse(new TextDecoder().decode(data)) as JsonObject,
    });
  }
  return messages;
}

// biome-ignore lint/suspicious/noExplicitAny: the forms are what the tests are about
type JsonObject = Record<string, any>;
