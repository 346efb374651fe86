/** Speaks to a control socket: what `openmv-bridge ctl` does. */
import { connect } from 'node:net';
import { BridgeError, type ErrorCode } from '../errors.js';
import { controlPath } from './socket-path.js';

export interface SendOptions {
  /** The control socket; by default the one of this user's bridge. */
  readonly path?: string | undefined;
  /** How long the first reply may take. */
  readonly timeoutMs?: number;
}

/**
 * Sends one command and gives each line that comes back, a JSON object, to `reply`, until that returns `false` or the
 * bridge ends the connection; then resolves. PORT_NOT_FOUND: no program serves the socket; PORT_DENIED: it is another
 * user's; PORT_FAILED: no reply in time.
 */
export async function sendCommand(
  command: Readonly<Record<string, unknown>>,
  reply: (line: string) => boolean,
  { path = controlPath(true), timeoutMs = 5_000 }: SendOptions = {},
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connect(path);
    const fail = (code: ErrorCode, message: string, cause?: unknown): void => {
      // What the bridge lacks when no one serves the socket.
      const options = code === 'PORT_NOT_FOUND' ? { options: ['control'] } : {};
      reject(new BridgeError(code, message, { context: { path, ...options }, cause }));
      socket.destroy();
    };
    const timer = setTimeout(
      () => fail('PORT_FAILED', `The bridge at ${path} has not replied within ${timeoutMs / 1_000} s.`),
      timeoutMs,
    );
    socket.once('connect', () => socket.write(`${JSON.stringify(command)}\n`));
    let rest = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      rest += text;
      if (!text.includes('\n')) return;
      clearTimeout(timer);
      const lines = rest.split('\n');
      rest = lines.pop() ?? '';
      if (!lines.every((line) => reply(line))) socket.destroy();
    });
    socket.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      const [code, message]: [ErrorCode, string] =
        cause.code === 'EACCES'
          ? [
              'PORT_DENIED',
              `There is no permission to use the control socket ${path}: run as the bridge's user.`,
            ]
          : [
              'PORT_NOT_FOUND',
              `No bridge serves the control socket ${path} (${cause.code ?? cause.message}). Start a bridge with a control socket, or give the path of its socket.`,
            ];
      fail(code, message, cause);
    });
  });
}
