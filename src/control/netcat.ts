/**
 * OpenBSD's nc, as a client of a Unix socket, does not end its side when its input is over: it waits for the other side
 * to end. So that `echo COMMAND | nc -U SOCKET` comes to its end, its input is looked at. Linux only; elsewhere, and for
 * a process that cannot be looked at, such a client is kept like every other one.
 */
import { closeSync, constants, openSync, readFileSync, statSync } from 'node:fs';
import type { Socket } from 'node:net';
import koffi from 'koffi';
import { PollEntry } from '../libc.js';

/** What nc is called, by its own name and those that distributions give it. */
const NAMES = new Set(['nc', 'nc.openbsd', 'netcat']);

/** `getsockopt(2)` on Linux; `struct ucred` begins with the process id. */
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const UCRED_SIZE = 12;

type GetSockOpt = (fd: number, level: number, name: number, value: Uint8Array, size: Uint32Array) => number;
let getsockopt: GetSockOpt | undefined;

/** The process id of an nc at the other end; undefined for all others. */
export function netcatBehind(socket: Socket): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const fd = (socket as { _handle?: { fd?: number } })._handle?.fd;
    if (fd === undefined || fd < 0) return undefined;
    getsockopt ??= koffi
      .load(null)
      .func('int getsockopt(int, int, int, _Out_ uint8_t *, _Inout_ uint32_t *)') as GetSockOpt;
    const credentials = Buffer.alloc(UCRED_SIZE);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, Uint32Array.of(UCRED_SIZE)) !== 0)
      return undefined;
    const pid = credentials.readInt32LE();
    return NAMES.has(readFileSync(`/proc/${pid}/comm`, 'utf8').trim()) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Whether the standard input of a process is a pipe whose writers have gone, or a file, and has been read to its end. */
export function inputIsOver(pid: number): boolean {
  const path = `/proc/${pid}/fd/0`;
  try {
    const input = statSync(path);
    if (input.isFIFO()) return pipeIsOver(path);
    if (!input.isFile()) return false;
    const position = /^pos:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/0`, 'utf8'));
    return position !== null && Number(position[1]) >= input.size;
  } catch {
    return false;
  }
}

function pipeIsOver(path: string): boolean {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { readable, hungUp } = new PollEntry(fd).now();
    return hungUp && !readable;
  } finally {
    closeSync(fd);
  }
}
