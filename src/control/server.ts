/** The control socket: a Unix stream socket of its user's own. */
import { chmodSync, linkSync, lstatSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import type { Bridge } from '../bridge/bridge.js';
import { BridgeError } from '../errors.js';
import { Connection } from './connection.js';
import { ControlService, failure } from './service.js';

/** Where it is unless told otherwise, and where VizionStreamer's clients look for it. */
export const CONTROL_PATH = '/tmp/openmv_bridge.sock';
export const VIZION_CONTROL_PATH = '/tmp/vizion_control.sock';

/** The longest path of a Unix socket on Linux has 107 bytes; some are for what is behind it at first. */
const MAX_PATH_BYTES = 97;
const MAX_CLIENTS = 64;
/** How long a socket that is there may take to show whether somebody serves it. */
const PROBE_MS = 1_000;
/** Read and write for the user alone. */
const MODE = 0o600;

export class ControlServer {
  readonly path: string;
  readonly #service = new ControlService();
  readonly #server: Server;
  readonly #connections = new Set<Connection>();
  #inode: bigint | undefined;
  #closing: Promise<void> | undefined;
  readonly #remove = (): void => {
    this.#unlink();
  };

  private constructor(path: string) {
    this.path = path;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      if (this.#connections.size >= MAX_CLIENTS) {
        socket.on('error', () => undefined);
        socket.end(`${JSON.stringify(failure(`At most ${MAX_CLIENTS} clients at a time`))}\n`);
        return;
      }
      const connection = new Connection(socket, this.#service);
      this.#connections.add(connection);
      socket.once('close', () => this.#connections.delete(connection));
    });
  }

  /**
   * Opens the socket; a stale one is taken over. FILE_FAILED: a running program serves it, something else has that name, or
   * it cannot be made; OPTION_INVALID: the path is too long.
   */
  static async open(path: string = CONTROL_PATH): Promise<ControlServer> {
    if (Buffer.byteLength(path) > MAX_PATH_BYTES || path.includes('\0') || path === '') {
      throw new BridgeError(
        'OPTION_INVALID',
        `The control socket's path has 1 to ${MAX_PATH_BYTES} bytes: ${path.slice(0, 200)}`,
      );
    }
    await clear(path);
    const server = new ControlServer(path);
    await server.#listen();
    return server;
  }

  /** Adds a camera that commands are for. */
  add(bridge: Bridge): void {
    this.#service.add(bridge);
  }

  /** Ends all connections and removes the socket. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      process.off('exit', this.#remove);
      for (const connection of this.#connections) connection.close();
      this.#unlink();
      this.#server.close(() => resolve());
    });
    return this.#closing;
  }

  async #listen(): Promise<void> {
    const server = this.#server;
    // It gets its name when nobody else may connect any more, and only if nobody has taken the name meanwhile. At the
    // end Node removes the name that it was opened with, whoever has it by then: that is this one.
    const hidden = `${this.path}.${process.pid}`;
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => reject(cannot(this.path, cause)));
      server.listen(hidden, resolve);
    });
    // A client that cannot be accepted is no reason to end.
    server.on('error', () => undefined);
    try {
      chmodSync(hidden, MODE);
      linkSync(hidden, this.path);
      unlinkSync(hidden);
      this.#inode = lstatSync(this.path, { bigint: true }).ino;
    } catch (cause) {
      server.close();
      throw cannot(this.path, cause);
    }
    process.on('exit', this.#remove);
  }

  /** Removes the socket if it is still ours. */
  #unlink(): void {
    try {
      if (lstatSync(this.path, { bigint: true }).ino === this.#inode) unlinkSync(this.path);
    } catch {
      // Somebody has removed it.
    }
  }
}

/** Makes the path free: removes a socket that nobody serves. */
async function clear(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  if (!found.isSocket()) {
    throw new BridgeError(
      'FILE_FAILED',
      `The control socket cannot be ${path}: there is something else with that name. Give another --control PATH.`,
    );
  }
  if (await isServed(path)) {
    throw new BridgeError(
      'FILE_FAILED',
      `A running program serves the control socket ${path}. Stop it, or give another --control PATH.`,
    );
  }
  try {
    unlinkSync(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cannot(path, cause);
  }
}

function isServed(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const decide = (served: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(served);
    };
    // Silent but there: somebody is too busy to accept.
    const timer = setTimeout(() => decide(true), PROBE_MS);
    socket.once('connect', () => decide(true));
    socket.once('error', (error: NodeJS.ErrnoException) => {
      // Whatever is not known to be dead is not taken from its owner.
      decide(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT');
    });
  });
}

function cannot(path: string, cause: unknown): BridgeError {
  return new BridgeError('FILE_FAILED', `The control socket ${path} cannot be made: ${String(cause)}`, {
    cause,
    context: { path },
  });
}
