/** Runs an algorithm as the adapter of a host: `defineAlgorithm`. */
import { Console } from 'node:console';
import { Worker } from 'node:worker_threads';
import { answerCall, log } from './answer.js';
import { MessageWriter, newLock } from './channel.js';
import type { ThreadData, ThreadMessage } from './reader-thread.js';
import type { AlgorithmDefinition } from './types.js';

const CAPABILITIES = ['ping', 'call', 'shutdown', 'shared_memory:v1', 'info'];
const STDOUT = 1;
const STDERR = 2;
/** From <fcntl.h>: the kernels have numbers of their own for it. */
const F_DUPFD_CLOEXEC = process.platform === 'darwin' ? 67 : 1030;

function logError(what: string, error: unknown): string {
  const text = `${what}${error instanceof Error ? error.message : String(error)}`;
  log('error', text, error instanceof Error ? { stack: error.stack } : {});
  return text;
}

/**
 * Runs the algorithm on this program's stdin and stdout, until the host says `shutdown` or is gone; then the process
 * ends. Call it once, at the end of the program that a host starts. From here on stdout carries messages only:
 * what is printed goes to stderr, the log. Pings are answered while `execute` runs.
 */
export async function defineAlgorithm(definition: AlgorithmDefinition): Promise<void> {
  const fd = await guardStdout();
  const lock = newLock();
  const writer = new MessageWriter(fd, lock);
  try {
    await definition.setup?.();
  } catch (error) {
    const message = logError('setup failed: ', error);
    const timestamp_ms = Date.now();
    writer.write({
      type: 'error',
      request_id: null,
      timestamp_ms,
      status: 'ERROR',
      message,
      error_code: '1009',
    });
    process.exit(1);
  }
  writer.write({
    type: 'hello',
    sdk_version: definition.version ?? 'openmv-bridge',
    timestamp_ms: Date.now(),
    // By `execute` a host tells that the algorithm wants no call of its own at the begin of a session.
    capabilities: definition.preExecute === undefined ? [...CAPABILITIES, 'execute'] : CAPABILITIES,
  });

  const thread = new Worker(new URL('./reader-thread.js', import.meta.url), {
    workerData: { fd, lock } satisfies ThreadData,
  });
  const take = async (told: ThreadMessage): Promise<void> => {
    if (!('message' in told)) {
      if (told.error !== undefined) log('error', `stdin cannot be read: ${told.error}`);
      process.exit(Math.max(await tearDown(definition), told.error === undefined ? 0 : 1));
    }
    const { message } = told;
    if (message['type'] === 'call') writer.write(await answerCall(definition, message));
    if (message['type'] !== 'shutdown') return;
    const status = await tearDown(definition);
    writer.write({ type: 'shutdown', timestamp_ms: Date.now(), status: status === 0 ? 'OK' : 'ERROR' });
    process.exit(status);
  };
  // Ends by the end of the process, unless something fails.
  await new Promise<never>((_, reject) => {
    let last: Promise<void> = Promise.resolve();
    thread.on('message', (told: ThreadMessage) => {
      // One after the other, in the order in which they came.
      last = last.then(() => take(told));
      last.catch(reject);
    });
    thread.on('error', reject);
  }).catch((error: unknown) => {
    logError('', error);
    process.exit(1);
  });
}

/** The exit status. */
async function tearDown(definition: AlgorithmDefinition): Promise<0 | 1> {
  try {
    await definition.teardown?.();
    return 0;
  } catch (error) {
    logError('teardown failed: ', error);
    return 1;
  }
}

/**
 * Points file descriptor 1 at stderr, so that native code and child processes cannot break the messages. Where that
 * is not possible (Windows, no native binding) only JavaScript's own ways to stdout are redirected. Gives the
 * descriptor for messages.
 */
async function guardStdout(): Promise<number> {
  process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;
  globalThis.console = new Console({ stdout: process.stderr, stderr: process.stderr });
  try {
    const { libc } = await import('../libc.js');
    const { fcntl, dup2 } = libc();
    // Not to be inherited: a child that lives on would keep the host's pipe open.
    const messages = fcntl(STDOUT, F_DUPFD_CLOEXEC, 'int', STDERR + 1);
    return messages < 0 || dup2(STDERR, STDOUT) < 0 ? STDOUT : messages;
  } catch {
    return STDOUT;
  }
}
