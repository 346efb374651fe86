/** One life of the camera's interpreter: a Worker, its messages, its end. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { setFlagsFromString } from 'node:v8';
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { BridgeError } from '../../errors.js';
import type { FromWorker, ToWorker, WorkerSetup } from './messages.js';

export interface CameraWorkerHandlers {
  /** A message, except those that only wake. */
  message(message: Exclude<FromWorker, 0>): void;
  /** The camera has sent bytes; all messages that it posted before them have been handed over. */
  awake(to: number): void;
  /** The Worker has died by itself. */
  died(error: BridgeError): void;
}

/** Workers run compiled code: seen from TypeScript sources it lies in `dist`. */
function workerFile(): string {
  const here = import.meta.url;
  return fileURLToPath(
    here.endsWith('.ts')
      ? new URL('../../../dist/virtual/interpreter/worker.js', here)
      : new URL('worker.js', here),
  );
}

/** Threads that are starting. */
let starting = 0;

/**
 * Starts a thread that compiles its hot functions by itself. With Node 20 a thread that is ended waits for its
 * compilations in the background; one of these that needs the thread's garbage collected waits for the thread: both
 * wait for ever. A thread has the setting with which it starts; the main thread is not affected.
 */
function startThread(file: string, data: WorkerSetup): Worker {
  if (starting++ === 0) setFlagsFromString('--no-concurrent-recompilation');
  const worker = new Worker(file, { workerData: data, transferList: [data.port], argv: [], execArgv: [] });
  let started = false;
  const done = (): void => {
    if (started) return;
    started = true;
    if (--starting === 0) setFlagsFromString('--concurrent-recompilation');
  };
  worker.once('online', done).once('exit', done);
  return worker;
}

export class CameraWorker {
  readonly #worker: Worker;
  readonly #port: MessagePort;
  readonly #handlers: CameraWorkerHandlers;
  /** Called first when the camera wakes the main thread: how far its bytes may be read. */
  readonly #mark: () => number;
  readonly #portClosed: Promise<void>;
  /** The Worker has loaded its files, or has died. */
  readonly #loaded: Promise<void>;
  #ended = false;

  constructor(setup: Omit<WorkerSetup, 'port'>, mark: () => number, handlers: CameraWorkerHandlers) {
    const file = workerFile();
    if (!existsSync(file)) {
      throw new BridgeError('FILE_FAILED', `${file} is missing: run \`npm run build\`.`, {
        context: { file },
      });
    }
    const { port1, port2 } = new MessageChannel();
    this.#mark = mark;
    this.#handlers = handlers;
    this.#port = port1;
    this.#worker = startThread(file, { ...setup, port: port2 });
    this.#portClosed = new Promise((resolve) => port1.once('close', resolve));
    this.#loaded = new Promise((resolve) => {
      port1.on('message', (message: FromWorker) => {
        if (message !== 0 && message.type === 'ready') resolve();
        this.#take(message);
      });
      this.#worker.on('exit', () => resolve());
    });
    this.#worker.on('error', (error) => this.#died(error));
    this.#worker.on('exit', (code) => this.#died(new Error(`its thread ended with status ${code}`)));
  }

  post(message: ToWorker): void {
    this.#port.postMessage(message);
  }

  /** Ends the Worker, whatever it is doing; resolves when its thread is gone. Idempotent. */
  async end(): Promise<void> {
    this.#ended = true;
    // Node leaves the files open that a Worker is loading when it is terminated.
    await this.#loaded;
    await this.#worker.terminate();
    this.#port.close();
    await this.#portClosed;
  }

  /**
   * The camera wrote its bytes after the messages that go before them: with the position taken first, every
   * message that belongs before a byte below it is in the queue by now.
   */
  #take(first: FromWorker): void {
    if (this.#ended) return;
    if (first !== 0) {
      this.#handlers.message(first);
      return;
    }
    let to = this.#mark();
    for (let got = receiveMessageOnPort(this.#port); got; got = receiveMessageOnPort(this.#port)) {
      const message = got.message as FromWorker;
      if (message === 0) to = this.#mark();
      else this.#handlers.message(message);
      if (this.#ended) return;
    }
    this.#handlers.awake(to);
  }

  #died(cause: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#port.close();
    this.#handlers.died(
      new BridgeError('INTERNAL', `The virtual camera has crashed: ${cause.message}.`, { cause }),
    );
  }
}
