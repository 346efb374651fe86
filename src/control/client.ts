/** Speaks to a control socket: what `openmv-bridge ctl` does. */
import { connect } from 'node:net';
import { BridgeError } from '../errors.js';
import { MessageSplitter } from './message-splitter.js';

/** Bytes of one reply: a large frame as base64. */
const REPLY_LIMIT = 128 * 1_024 * 1_024;

/**
 * Sends one command and gives each JSON object that comes back to `reply`, until it says `false` or the bridge ends
 * the connection; then resolves. PORT_NOT_FOUND: nobody serves the socket.
 */
export function sendCommand(
  path: string,
  command: Readonly<Record<string, unknown>>,
  reply: (text: string) => boolean,
): Promise<void> {
  const splitter = new MessageSplitter(REPLY_LIMIT);
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => socket.write(`${JSON.stringify(command)}\n`));
    socket.on('data', (chunk: Buffer) => {
      for (const message of splitter.push(chunk)) {
        if ('text' in message && reply(message.text)) continue;
        socket.destroy();
        break;
      }
    });
    socket.once('close', () => resolve());
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new BridgeError(
          cause.code === 'EACCES' ? 'PORT_DENIED' : 'PORT_NOT_FOUND',
          `No bridge serves the control socket ${path} (${cause.code ?? cause.message}). Start openmv-bridge with --control, or give its path with --socket.`,
          { cause },
        ),
      );
    });
  });
}
