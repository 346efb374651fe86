/** A viewer's connection, bounded: one that does not keep up misses messages, and nothing piles up for it. */
import type { IWebSocket } from '@foxglove/ws-protocol';
import type { WebSocket } from 'ws';

/** More than that waits for it: it misses messages. */
const MAX_WAITING = 8 * 2 ** 20;
/** It does not read at all: what may not be missed has piled up as well. */
const STALLED = 32 * 2 ** 20;

/** The socket as the protocol's package wants it. It sends a message in two parts, of which neither may go alone. */
export function liveClient(socket: WebSocket): IWebSocket {
  let dropping = false;
  const client = {
    get binaryType() {
      return socket.binaryType;
    },
    set binaryType(type: string) {
      socket.binaryType = type as 'arraybuffer';
    },
    get protocol() {
      return socket.protocol;
    },
    onerror: null,
    onopen: null,
    onclose: null,
    onmessage: null,
    close: () => socket.close(),
    send: (data: string | ArrayBuffer | ArrayBufferView, options: { fin?: boolean } = {}) => {
      const begins = !dropping;
      if (begins && options.fin === false) dropping = socket.bufferedAmount > MAX_WAITING;
      if (socket.bufferedAmount > STALLED) socket.terminate();
      else if (!dropping) socket.send(data, options);
      if (options.fin !== false) dropping = false;
    },
  } satisfies IWebSocket as IWebSocket;
  socket.onclose = (event) => client.onclose?.(event);
  socket.onerror = (event) => client.onerror?.(event);
  socket.onmessage = (event) => client.onmessage?.(event);
  return client;
}
