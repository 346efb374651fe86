/**
 * Tells systemd how the service is doing, where it asks for that (sd_notify(3)): a datagram to the socket NOTIFY_SOCKET.
 * Node has no Unix datagrams: the C library's calls are used. Without it, or without systemd, nothing is told.
 */
import { closeSync } from 'node:fs';
import { lazily } from '../libc.js';

const [AF_UNIX, SOCK_DGRAM, SOCK_CLOEXEC] = [1, 2, 0o2000000];
const [MSG_DONTWAIT, MSG_NOSIGNAL] = [0x40, 0x4000];
/** `struct sockaddr_un` of Linux: the family and 108 bytes. */
const MAX_PATH_BYTES = 107;
const FAMILY_BYTES = 2;
/** A watchdog is told twice in its time. */
const PER_WATCHDOG = 2;

interface Sockets {
  socket(family: number, type: number, protocol: number): number;
  sendto(
    fd: number,
    bytes: Uint8Array,
    size: number,
    flags: number,
    address: Uint8Array,
    addressSize: number,
  ): number;
}

const sockets = lazily(
  ({ libc }): Sockets => ({
    socket: libc.func('int socket(int, int, int)'),
    sendto: libc.func('intptr_t sendto(int, const uint8_t *, size_t, int, const uint8_t *, uint32_t)'),
  }),
);

export class ServiceManager {
  readonly #address: Uint8Array | undefined;
  #watchdog: NodeJS.Timeout | undefined;

  /** Takes its variables out of `env`: what this program starts is not the service. */
  constructor(env: NodeJS.ProcessEnv = process.env) {
    const { NOTIFY_SOCKET: path, WATCHDOG_USEC: limit, WATCHDOG_PID: pid } = env;
    for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete env[name];
    this.#address = process.platform === 'linux' ? addressOf(path) : undefined;
    const ms = Number(limit) / 1_000 / PER_WATCHDOG;
    if (this.#address && ms >= 1 && (pid === undefined || Number(pid) === process.pid)) {
      // An event loop that hangs comes to no timer.
      this.#watchdog = setInterval(() => this.#send('WATCHDOG=1'), ms).unref();
    }
  }

  /** The service does its work. */
  ready(status: string): void {
    this.#send(`READY=1\nSTATUS=${status}`);
  }

  /** The configuration is read again; `ready` follows. */
  reloading(): void {
    this.#send(`RELOADING=1\nMONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`);
  }

  stopping(): void {
    this.#send('STOPPING=1\nSTATUS=stopping');
  }

  /** One line for `systemctl status`. */
  status(text: string): void {
    this.#send(`STATUS=${text}`);
  }

  /** Ends the watchdog's beats. */
  close(): void {
    clearInterval(this.#watchdog);
  }

  #send(text: string): void {
    if (!this.#address) return;
    try {
      const { socket, sendto } = sockets();
      const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
      if (fd < 0) return;
      const bytes = Buffer.from(text);
      sendto(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL, this.#address, this.#address.length);
      closeSync(fd);
    } catch {
      // Without koffi nothing can be told.
    }
  }
}

/** Undefined: no path of a socket. `@` at its start stands for the abstract namespace. */
function addressOf(path: string | undefined): Uint8Array | undefined {
  if (path === undefined || !/^[/@]./.test(path)) return undefined;
  const name = Buffer.from(path.replace(/^@/, '\0'));
  if (name.length > MAX_PATH_BYTES) return undefined;
  // A path ends in a zero byte; an abstract name does not.
  const address = new Uint8Array(FAMILY_BYTES + name.length + (name[0] === 0 ? 0 : 1));
  new Uint16Array(address.buffer, 0, 1)[0] = AF_UNIX;
  address.set(name, FAMILY_BYTES);
  return address;
}
