/** One call to one adapter elsewhere. While that works it is asked whether it does. */
import { errors, type NatsConnection } from '@nats-io/transport-node';
import { abortable, pause, within } from '../../async.js';
import { BridgeError } from '../../errors.js';
import type { CallPicture } from '../../runner/index.js';
import { nobodyThere } from './call-message.js';
import { checkSize, frameHeaders } from './frame-message.js';

/** For the answer to a small request. */
export const ANSWER_MS = 3_000;
/** From one question whether a worker still works to the next: one that stands still is given up within 5 s. */
const ALIVE_MS = 1_000;

/** An adapter that waits for exactly one call. */
export interface Taken {
  readonly connection: NatsConnection;
  /** Aborted when that connection has ended. */
  readonly ended: AbortSignal;
  readonly inbox: string;
}

export interface CallLimits {
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** Its answer as text. RUNNER_TIMEOUT, RUNNER_EXITED, BROKER_FAILED, `signal.reason`. */
export async function callWorker(
  { connection, ended, inbox }: Taken,
  picture: CallPicture,
  requestId: string,
  { timeoutMs, signal }: CallLimits,
): Promise<string> {
  checkSize(picture.jpeg.length, connection.info?.max_payload);
  const headers = frameHeaders(picture);
  headers.set('Call', requestId);
  const over = new AbortController();
  const late = (): BridgeError =>
    new BridgeError('RUNNER_TIMEOUT', `A worker did not answer within ${timeoutMs} ms.`);
  try {
    const answer = connection
      .request(`${inbox}.call`, picture.jpeg, { headers, timeout: timeoutMs + ANSWER_MS })
      .catch((cause: unknown) => Promise.reject(nobodyThere(cause) ? workerGone(cause) : cause));
    const both = Promise.race([answer, watch(connection, inbox, requestId, over.signal)]);
    // Not AbortSignal.any: a signal that lives long keeps something of each that is made of it.
    const open = abortable(abortable(within(both, timeoutMs, late), ended), signal);
    return (await open).string();
  } finally {
    over.abort();
  }
}

/** Rejects when the worker does not work on the call any more. */
async function watch(
  connection: NatsConnection,
  inbox: string,
  requestId: string,
  signal: AbortSignal,
): Promise<never> {
  for (;;) {
    await pause(ALIVE_MS, signal);
    const asked = connection.request(`${inbox}.alive`, requestId, { timeout: ANSWER_MS });
    const answer = await abortable(asked, signal).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw nobodyThere(cause) || cause instanceof errors.TimeoutError ? workerGone(cause) : cause;
    });
    if (answer.string() !== 'yes') throw workerGone();
  }
}

function workerGone(cause?: unknown): BridgeError {
  return new BridgeError('RUNNER_EXITED', 'The worker that had the call has gone.', {
    cause,
    context: { reason: 'worker-gone' },
  });
}
