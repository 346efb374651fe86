/**
 * The thread that reads stdin: answers pings at once, also while the algorithm keeps the main thread busy, and hands
 * everything else over.
 */
import { createReadStream, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { parentPort, workerData } from 'node:worker_threads';
import { MessageReader, MessageWriter } from './channel.js';

/** What the main thread is told. */
export type ThreadMessage =
  | { readonly kind: 'message'; readonly message: Record<string, unknown> }
  /** The input is over; `error`: because it could not be read. */
  | { readonly kind: 'end'; readonly error?: string };

export interface ThreadData {
  readonly messages: number;
  readonly lock: SharedArrayBuffer;
}

const port = parentPort;
if (port !== null) {
  const { messages, lock } = workerData as ThreadData;
  const writer = new MessageWriter(messages, lock);
  let ended = false;
  const end = (error?: string): void => {
    if (ended) return;
    ended = true;
    port.postMessage(
      (error === undefined ? { kind: 'end' } : { kind: 'end', error }) satisfies ThreadMessage,
    );
    input.destroy();
  };
  const reader = new MessageReader((json) => {
    const message = JSON.parse(json) as Record<string, unknown>;
    if (message['type'] !== 'ping') {
      port.postMessage({ kind: 'message', message } satisfies ThreadMessage);
      return;
    }
    const pong = { type: 'pong', request_id: message['request_id'], timestamp_ms: Date.now(), status: 'OK' };
    writer.write(JSON.stringify(pong));
  });
  // A worker's own process.stdin is fed by the main thread, which may be busy.
  const input = openInput();
  input.on('data', (chunk: Buffer) => {
    try {
      reader.push(chunk);
    } catch (error) {
      end(error instanceof Error ? error.message : String(error));
    }
  });
  input.on('error', (error) => end(error.message));
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
