/** Speaks to a control socket: what `openmv-bridge ctl` does. */
import { connect } from 'node:net';
import { BridgeError, type ErrorCode } from '../errors.js';
import { controlPath } from './socket-path.js';

/** Bytes of one reply: a large frame as base64. */
const REPLY_LIMIT = 128 * 1_024 * 1_024;

export interface SendOptions {
  /** The control socket; by default the one of this user's bridge. */
  readonly path?: string | undefined;
  /** How long the first reply may take. */
  readonly timeoutMs?: number;
}

/**
 * Sends one command and gives each line that comes back, a JSON object, to `reply`, until that returns `false` or the
 * bridge ends the connection; then resolves. PORT_NOT_FOUND: no program serves the socket; PORT_DENIED: it is another
 * user's; PORT_FAILED: no reply in time, or one that is too large.
 */
export function sendCommand(
  command: Readonly<Record<string, unknown>>,
  reply: (line: string) => boolean,
  { path = controlPath(true), timeoutMs = 5_000 }: SendOptions = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const fail = (code: ErrorCode, message: string, cause?: unknown): void => {
      reject(new BridgeError(code, message, { context: { path }, cause }));
      socket.destroy();
    };
    const timer = setTimeout(
      () => fail('PORT_FAILED', `The bridge at ${path} has not replied within ${timeoutMs / 1_000} s.`),
      timeoutMs,
    );
    let parts: Buffer[] = [];
    let size = 0;
    socket.once('connect', () => socket.write(`${JSON.stringify(command)}\n`));
    socket.on('data', (chunk: Buffer) => {
      const ends = chunk.lastIndexOf(10) + 1;
      parts.push(ends > 0 ? chunk.subarray(0, ends) : chunk);
      size += chunk.length;
      if (size > REPLY_LIMIT) fail('PORT_FAILED', `The reply has more than ${REPLY_LIMIT} bytes.`);
      if (ends === 0) return;
      clearTimeout(timer);
      const lines = Buffer.concat(parts).toString('utf8').split('\n').slice(0, -1);
      parts = [chunk.subarray(ends)];
      size = chunk.length - ends;
      if (!lines.every((line) => reply(line))) socket.destroy();
    });
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EACCES') {
        fail(
          'PORT_DENIED',
          `There is no permission to use the control socket ${path}: run as the bridge's user.`,
          cause,
        );
      } else {
        const why = `No bridge serves the control socket ${path} (${cause.code ?? cause.message}).`;
        fail(
          'PORT_NOT_FOUND',
          `${why} Start a bridge with a control socket, or give the path of its socket.`,
          cause,
        );
      }
    });
  });
}
