/**
 * The thread that reads stdin: answers pings at once, also while the algorithm keeps the main thread busy, and hands
 * everything else over.
 */
import { createReadStream, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import { type JsonObject, MAX_MESSAGE_BYTES, MessageDecoder } from '../adapter/index.js';
import { MessageWriter } from './channel.js';

/** What the main thread is told: a message, or that the input is over (`error`: because it cannot be read). */
export type ThreadMessage = { readonly message: JsonObject } | { readonly error: string | undefined };

export interface ThreadData {
  readonly fd: number;
  readonly lock: Int32Array;
}

if (parentPort !== null) read(parentPort, workerData as ThreadData);

function read(port: NonNullable<typeof parentPort>, { fd, lock }: ThreadData): void {
  const writer = new MessageWriter(fd, lock);
  // A worker's own process.stdin is fed by the main thread, which may be busy.
  const input = openInput();
  let ended = false;
  const end = (error?: Error): void => {
    if (!ended) port.postMessage({ error: error?.message } satisfies ThreadMessage);
    ended = true;
    input.destroy();
  };
  const decoder = new MessageDecoder(
    {
      message: (message) => {
        if (message['type'] !== 'ping') return port.postMessage({ message } satisfies ThreadMessage);
        const { request_id } = message;
        writer.write({ type: 'pong', request_id, timestamp_ms: Date.now(), status: 'OK' });
      },
      unusable: end,
    },
    { maxBytes: MAX_MESSAGE_BYTES, peer: 'host' },
  );
  input.on('data', (chunk: Buffer) => {
    try {
      if (!ended) decoder.push(chunk);
    } catch (error) {
      end(error as Error);
    }
  });
  input.on('error', end);
  input.on('end', () => end());
  input.on('close', () => end());
}

/** A pipe as hosts give it; or a file of recorded messages, or a device, which a socket cannot read. */
function openInput(): Readable {
  const stdin = fstatSync(0);
  return stdin.isFIFO() || stdin.isSocket()
    ? new Socket({ fd: 0, readable: true, writable: false })
    : createReadStream('', { fd: 0 });
}
