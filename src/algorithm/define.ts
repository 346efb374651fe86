/** Runs an algorithm as the adapter of a host: `defineAlgorithm`. */
import { Worker } from 'node:worker_threads';
import { answerCall, log, type Message } from './answer.js';
import { MessageWriter, newLock } from './channel.js';
import type { ThreadData, ThreadMessage } from './reader-thread.js';
import { guardStdout } from './stdout-guard.js';
import type { AlgorithmDefinition } from './types.js';

const CAPABILITIES = ['ping', 'call', 'shutdown', 'shared_memory:v1'];

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * Runs the algorithm on this program's stdin and stdout, until the host says `shutdown` or is gone; then the process
 * ends. To be called once, at the end of the program that a host starts. stdout carries messages only from here on:
 * what is printed goes to stderr, the log. Pings are answered while `execute` runs, whatever it does.
 */
export async function defineAlgorithm(definition: AlgorithmDefinition): Promise<void> {
  const messages = await guardStdout();
  const lock = newLock();
  const writer = new MessageWriter(messages, lock);
  const write = (message: object): void => writer.write(JSON.stringify(message));
  try {
    await definition.setup?.();
  } catch (error) {
    log('error', `setup failed: ${describe(error)}`, error instanceof Error ? { stack: error.stack } : {});
    write({
      type: 'error',
      request_id: null,
      timestamp_ms: Date.now(),
      status: 'ERROR',
      message: `setup failed: ${describe(error)}`,
      error_code: '1009',
    });
    process.exit(1);
  }
  write({
    type: 'hello',
    sdk_version: definition.version ?? 'openmv-bridge',
    timestamp_ms: Date.now(),
    // By this a host tells whether the algorithm wants a call of its own at the begin of a session.
    capabilities: definition.preExecute === undefined ? [...CAPABILITIES, 'execute'] : CAPABILITIES,
  });

  const thread = new Worker(new URL('./reader-thread.js', import.meta.url), {
    workerData: { messages, lock } satisfies ThreadData,
  });
  let last: Promise<void> = Promise.resolve();
  const take = async (message: Message): Promise<void> => {
    if (message['type'] === 'call') writer.write(await answerCall(definition, message));
    if (message['type'] === 'shutdown') await end(definition, write, 'asked');
  };
  // Ends by the end of the process, unless something fails.
  await new Promise<never>((_, reject) => {
    thread.on('message', (told: ThreadMessage) => {
      if (told.kind === 'end') {
        if (told.error !== undefined) log('error', `stdin cannot be read: ${told.error}`);
        const how = told.error === undefined ? 'alone' : 'unreadable';
        last = last.then(() => end(definition, write, how));
      } else {
        // One after the other, in the order in which they came.
        last = last.then(() => take(told.message));
      }
      last.catch(reject);
    });
    thread.on('error', reject);
  }).catch((error: unknown) => {
    log('error', describe(error));
    process.exit(1);
  });
}

async function end(
  definition: AlgorithmDefinition,
  write: (message: object) => void,
  how: 'asked' | 'alone' | 'unreadable',
): Promise<never> {
  let status = how === 'unreadable' ? 1 : 0;
  try {
    await definition.teardown?.();
  } catch (error) {
    log('error', `teardown failed: ${describe(error)}`);
    status = 1;
  }
  if (how === 'asked') {
    write({ type: 'shutdown', timestamp_ms: Date.now(), status: status === 0 ? 'OK' : 'ERROR' });
  }
  process.exit(status);
}
