/** The JetStream stream of a site: made when it is missing, and what it must be when it is not. */
import {
  JetStreamApiError,
  type JetStreamClient,
  type JetStreamManager,
  jetstream,
  jetstreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import { asBridgeError, BridgeError } from '../../errors.js';
import { subjectOfAll } from '../names.js';

/** What a stream keeps of each camera. */
export const KINDS = ['frame', 'result', 'event', 'stats', 'status'] as const;
export type Kind = (typeof KINDS)[number];

const STREAM_NOT_FOUND = 10_059;
const MESSAGE_NOT_FOUND = 10_037;
/** Room of a stream that is made here. */
const DEFAULT_MAX_BYTES = 2 ** 30;
/** How long the server knows a message again that it has: longer than an acknowledgement is waited for. */
const DUPLICATE_WINDOW_MS = 120_000;
const REQUEST_MS = 5_000;

export interface StreamSettings {
  readonly natsStream: string;
  readonly site: string;
  readonly natsMaxAgeMs?: number | undefined;
  readonly natsMaxBytes?: number | undefined;
}

export class NatsStream {
  readonly #manager: JetStreamManager;
  readonly #client: JetStreamClient;
  readonly #name: string;

  /** Makes it if it is missing. BROKER_FAILED: the server has no JetStream, or will not have it so. */
  static async open(connection: NatsConnection, settings: StreamSettings): Promise<NatsStream> {
    const name = settings.natsStream;
    try {
      const manager = await jetstreamManager(connection, { timeout: REQUEST_MS });
      await ensure(manager, settings);
      return new NatsStream(manager, jetstream(connection, { timeout: REQUEST_MS }), name);
    } catch (cause) {
      throw streamError(cause, name);
    }
  }

  private constructor(manager: JetStreamManager, client: JetStreamClient, name: string) {
    this.#manager = manager;
    this.#client = client;
    this.#name = name;
  }

  /** Resolves when the stream has the message; a second one of the same id is not kept. BROKER_FAILED. */
  async publish(subject: string, data: Uint8Array, id: string, headers?: MsgHdrs): Promise<void> {
    try {
      const expect = { streamName: this.#name };
      await this.#client.publish(subject, data, { msgID: id, expect, ...(headers ? { headers } : {}) });
    } catch (cause) {
      throw streamError(cause, this.#name);
    }
  }

  /** Whether the newest message of a subject is the one of that id. BROKER_FAILED. */
  async has(subject: string, id: string): Promise<boolean> {
    try {
      const last = await this.#manager.streams.getMessage(this.#name, { last_by_subj: subject });
      return last?.header.get('Nats-Msg-Id') === id;
    } catch (cause) {
      if (codeOf(cause) === MESSAGE_NOT_FOUND) return false;
      throw streamError(cause, this.#name);
    }
  }
}

type MsgHdrs = ReturnType<typeof import('@nats-io/transport-node').headers>;

async function ensure({ streams }: JetStreamManager, settings: StreamSettings): Promise<void> {
  const { natsStream: name, site, natsMaxAgeMs, natsMaxBytes } = settings;
  const subjects = KINDS.map((kind) => subjectOfAll(site, kind));
  const limits: Partial<StreamConfig> = {
    ...(natsMaxAgeMs === undefined ? {} : { max_age: nanos(natsMaxAgeMs) }),
    ...(natsMaxBytes === undefined ? {} : { max_bytes: natsMaxBytes }),
  };
  let config: StreamConfig;
  try {
    ({ config } = await streams.info(name));
  } catch (error) {
    if (codeOf(error) !== STREAM_NOT_FOUND) throw error;
    const window = Math.min(natsMaxAgeMs ?? DUPLICATE_WINDOW_MS, DUPLICATE_WINDOW_MS);
    await streams.add({
      name,
      subjects,
      max_bytes: DEFAULT_MAX_BYTES,
      duplicate_window: nanos(window),
      ...limits,
    });
    return;
  }
  const missing = subjects.filter((subject) => !config.subjects.some((pattern) => covers(pattern, subject)));
  const other = Object.entries(limits).some(([key, value]) => config[key as keyof StreamConfig] !== value);
  if (missing.length === 0 && !other) return;
  const window = Math.min(config.duplicate_window, limits.max_age ?? config.duplicate_window);
  await streams.update(name, {
    ...limits,
    duplicate_window: window,
    subjects: [...config.subjects, ...missing],
  });
}

/** Whether a stream's subject takes everything that the other one stands for. */
export function covers(pattern: string, subject: string): boolean {
  const words = subject.split('.');
  const parts = pattern.split('.');
  for (const [index, part] of parts.entries()) {
    if (part === '>') return index < words.length;
    if (words[index] === undefined || (part !== '*' && part !== words[index])) return false;
  }
  return parts.length === words.length;
}

const codeOf = (error: unknown): number | undefined =>
  error instanceof JetStreamApiError ? error.code : undefined;

function streamError(cause: unknown, name: string): BridgeError {
  const { code, message } = asBridgeError(cause);
  if (code !== 'INTERNAL') return asBridgeError(cause);
  const none = /jetstream.*not enabled|no ?responders|503/i.test(message);
  const advice = none ? 'The server has no JetStream: start it with jetstream on (-js).' : `${message}.`;
  return new BridgeError('BROKER_FAILED', `The stream ${name} does not take messages. ${advice}`, {
    cause,
    context: { stream: name, options: ['natsStream'] },
  });
}
