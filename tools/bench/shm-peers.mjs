/** Readers in other processes, and what frames are sent to them through. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openRingWriter, openViznWriter } from '../../dist/index.js';

const here = (name) => fileURLToPath(new URL(name, import.meta.url));

/** Why readers are left out here; undefined: they are not. */
export const noCompiler =
  spawnSync('g++', ['--version']).status === 0 ? undefined : 'no C++ compiler (Debian: apt-get install g++)';

/** A directory for the compiled reader, pipes and sockets. */
export function workshop() {
  const directory = mkdtempSync(join(tmpdir(), 'openmv-bench-'));
  const cpp = join(directory, 'shm-reader');
  execFileSync('g++', ['-std=c++17', '-O2', here('shm-reader.cpp'), '-o', cpp, '-lrt']);
  const commands = {
    'c++': [cpp],
    python: ['python3', here('shm-reader.py')],
    node: [process.execPath, here('shm-reader.mjs')],
  };
  const futex = join(directory, 'futex-wake');
  execFileSync('cc', ['-std=c11', '-O2', here('futex-wake.c'), '-o', futex]);
  return {
    path: (name) => join(directory, name),
    /** A bare futex between two processes. */
    futex: (everyMs, wakes) => JSON.parse(execFileSync(futex, [String(everyMs * 1_000), String(wakes)])),
    /** Starts a reader; `ready` and `report` resolve when it says so. */
    reader(language, mode, name) {
      const [command, ...args] = commands[language];
      const child = spawn(command, [...args, mode, name], { stdio: ['ignore', 'pipe', 'inherit'] });
      const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
      const line = async () => {
        const { value, done } = await lines.next();
        if (done) throw new Error(`The ${language} reader of ${name} ended too early.`);
        return value;
      };
      const ready = line();
      return { ready, report: ready.then(line).then(JSON.parse) };
    },
    close: () => rmSync(directory, { recursive: true, force: true }),
  };
}

let count = 0;
const fresh = () => `/openmv_bench_${process.pid}_${count++}`;

export function vizn(size) {
  const name = fresh();
  const writer = openViznWriter({ name, size: size + 4_096 });
  return { name, mode: 'shm', send: (frame) => writer.write(frame), close: () => writer.close() };
}

export function ring(size, mode = 'shm', slots = 16) {
  const name = fresh();
  const writer = openRingWriter({ name, slots, slotSize: size });
  return { name, mode, send: (frame) => writer.write(frame), close: () => writer.close() };
}

function header({ jpeg, height, timestampNs }) {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(timestampNs, 0);
  bytes.writeUInt32LE(jpeg.length, 8);
  bytes.writeUInt32LE(height === 2 ? 1 : 0, 12);
  return bytes;
}

/** A named pipe; writing blocks when it is full. */
export function pipe(shop) {
  const name = shop.path(`pipe${count++}`);
  execFileSync('mkfifo', [name]);
  let fd;
  const all = (bytes) => {
    for (let sent = 0; sent < bytes.length; ) sent += writeSync(fd, bytes, sent);
  };
  return {
    name,
    mode: 'pipe',
    start: () => {
      fd = openSync(name, 'w');
    },
    send(frame) {
      all(header(frame));
      all(frame.jpeg);
    },
    close: () => closeSync(fd),
  };
}

/** A Unix socket; a full one makes the sender wait. */
export async function socket(shop) {
  const name = shop.path(`socket${count++}`);
  let connection;
  const server = createServer((accepted) => {
    connection = accepted;
  });
  await new Promise((resolve) => server.listen(name, resolve));
  return {
    name,
    mode: 'socket',
    send(frame) {
      connection.cork();
      connection.write(header(frame));
      const room = connection.write(frame.jpeg);
      connection.uncork();
      return room ? undefined : new Promise((resolve) => connection.once('drain', resolve));
    },
    close() {
      connection.destroy();
      server.close();
    },
  };
}
