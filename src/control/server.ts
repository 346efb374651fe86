/** The control socket: a Unix stream socket of its user's own. */
import { chmodSync, lstatSync, unlinkSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { Bridge } from '../bridge/index.js';
import { CLIENT_LIMITS, type ClientLimits, Connection } from './connection.js';
import { ControlService, failure } from './service.js';
import { cannot, checkPath, controlPath, hiddenPath, placeSocket } from './socket-path.js';

const MAX_CLIENTS = 64;
/** Read and write for the user alone. */
const MODE = 0o600;

export class ControlServer {
  readonly path: string;
  readonly #service = new ControlService();
  readonly #server: Server;
  readonly #limits: ClientLimits;
  readonly #connections = new Set<Connection>();
  #inode: bigint | undefined;
  #closing: Promise<void> | undefined;
  readonly #remove = (): void => this.#unlink();

  private constructor(path: string, limits: ClientLimits) {
    this.path = path;
    this.#limits = limits;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
  }

  /**
   * Opens the socket; one that an ended process left over is replaced. FILE_FAILED: a running program serves it,
   * something else has that name, or it cannot be made; OPTION_INVALID: the path is too long.
   */
  static async open(path?: string, limits: Partial<ClientLimits> = {}): Promise<ControlServer> {
    const server = new ControlServer(path ?? controlPath(), { ...CLIENT_LIMITS, ...limits });
    checkPath(server.path);
    await server.#listen();
    return server;
  }

  /** Adds a camera that commands are for, until its bridge has ended. */
  add(bridge: Bridge): void {
    this.#service.add(bridge);
  }

  /** Ends all connections and removes the socket, within a second. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      process.off('exit', this.#remove);
      this.#service.close();
      for (const connection of this.#connections) connection.close();
      this.#unlink();
      this.#server.close(() => resolve());
    });
    return this.#closing;
  }

  #accept(socket: Socket): void {
    if (this.#connections.size >= MAX_CLIENTS) {
      socket.on('error', () => undefined);
      const refusal = failure(
        `At most ${MAX_CLIENTS} clients at a time; idle ones are dropped after a while`,
      );
      socket.end(`${JSON.stringify(refusal)}\n`, () => socket.destroy());
      return;
    }
    const connection = new Connection(socket, this.#service, this.#limits);
    this.#connections.add(connection);
    socket.once('close', () => this.#connections.delete(connection));
  }

  async #listen(): Promise<void> {
    const server = this.#server;
    // It gets its name when other users may not connect any more. At the end Node removes the name that it was opened
    // with, even if another process has it by then: that is this one.
    const hidden = hiddenPath(this.path);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(cannot(this.path, cause)));
      server.listen(hidden, resolve);
    });
    // A client that cannot be accepted is no reason to end.
    server.on('error', () => undefined);
    try {
      chmodSync(hidden, MODE);
      const { ino } = lstatSync(hidden, { bigint: true });
      await placeSocket(hidden, this.path);
      this.#inode = ino;
    } catch (cause) {
      server.close();
      throw cause;
    }
    process.on('exit', this.#remove);
  }

  /** Removes the socket if it is still ours. */
  #unlink(): void {
    try {
      if (lstatSync(this.path, { bigint: true }).ino === this.#inode) unlinkSync(this.path);
    } catch {
      // Removed already.
    }
  }
}
