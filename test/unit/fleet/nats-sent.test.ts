/** Results and events for NATS: each is counted as sent, pending or lost, and readers are told what they lack. */
import { describe, expect, it } from 'vitest';
import { deferred } from '../../../src/async.js';
import type { BridgeError } from '../../../src/errors.js';
import type { NatsBroker } from '../../../src/fleet/nats/broker.js';
import { NatsMessages } from '../../../src/fleet/nats/messages.js';

/** A server that reads when the test says so, and goes when the test says so. */
class FakeBroker {
  connects = 0;
  connection: object | undefined;
  ended = AbortSignal.abort();
  readonly published: [subject: string, text: string][] = [];
  #life = new AbortController();
  #reads: (() => void)[] = [];

  come(): void {
    this.connects++;
    this.#life = new AbortController();
    this.ended = this.#life.signal;
    this.connection = {
      info: { max_payload: 1_048_576 },
      publish: (subject: string, text: string) => this.published.push([subject, text]),
      flush: () => {
        const answer = deferred();
        this.#reads.push(answer.resolve);
        return answer.promise;
      },
    };
  }

  go(): void {
    this.connection = undefined;
    this.#life.abort(new Error('gone'));
  }

  /** It has read what came before the question that was asked first. */
  async read(): Promise<void> {
    this.#reads.shift()!();
    await settled();
  }

  /** How many questions it has not answered. */
  get asked(): number {
    return this.#reads.length;
  }

  texts(kind: string): string[] {
    return this.published
      .filter(([subject]) => subject === `openmv.local.cam.${kind}`)
      .map(([, text]) => text);
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function setUp() {
  const broker = new FakeBroker();
  const failures: BridgeError[] = [];
  const name = { site: 'local', camera: 'cam' };
  const messages = new NatsMessages(broker as unknown as NatsBroker, name, (error) => failures.push(error));
  return { broker, failures, messages };
}

describe('messages for NATS', () => {
  it('are pending until the server has read them; one question at a time asks for all', async () => {
    const { broker, messages } = setUp();
    broker.come();
    messages.say('result', '1');
    messages.say('result', '2');
    expect(messages.figures).toEqual({ connected: true, sent: 0, pending: 2, lost: 0, reconnects: 0 });
    expect(broker.asked).toBe(1);
    await broker.read();
    expect(messages.figures).toMatchObject({ sent: 1, pending: 1 });
    await broker.read();
    expect(messages.figures).toMatchObject({ sent: 2, pending: 0, lost: 0 });
    expect(broker.asked).toBe(0);
  });

  it('are lost while it is away, and when it goes before it has read them; the next connection begins with how many', async () => {
    const { broker, messages } = setUp();
    messages.say('event', 'before');
    broker.come();
    messages.say('result', '1');
    expect(broker.texts('event').map((text) => JSON.parse(text))).toMatchObject([
      { type: 'lost', cameraId: 'cam', count: 1 },
    ]);
    await broker.read();
    messages.say('result', '2');
    messages.say('result', '3');
    broker.go();
    await settled();
    messages.say('result', '4');
    expect(messages.figures).toEqual({ connected: false, sent: 1, pending: 0, lost: 4, reconnects: 0 });
    broker.come();
    messages.say('result', '5');
    expect(JSON.parse(broker.texts('event')[1]!)).toMatchObject({ type: 'lost', count: 3 });
    expect(broker.texts('result').at(-1)).toBe('5');
    expect(messages.figures).toMatchObject({ connected: true, pending: 1, lost: 4, reconnects: 1 });
  });

  it('are bounded when a server reads nothing', async () => {
    const { broker, messages } = setUp();
    broker.come();
    for (let n = 0; n < 1_500; n++) messages.say('result', String(n));
    expect(messages.figures).toMatchObject({ sent: 0, pending: 1_000, lost: 500 });
    expect(broker.texts('result')).toHaveLength(1_000);
    broker.go();
    await settled();
    expect(messages.figures).toMatchObject({ sent: 0, pending: 0, lost: 1_500 });
  });

  it('that the server takes none of that size of are lost, and said so', () => {
    const { broker, failures, messages } = setUp();
    broker.come();
    messages.say('result', 'x'.repeat(1_048_577));
    expect(messages.figures).toMatchObject({ sent: 0, pending: 0, lost: 1 });
    expect(failures.map(({ code }) => code)).toEqual(['BROKER_FAILED']);
  });

  it('of which a stream must have each are counted as what becomes of them', async () => {
    const { messages } = setUp();
    const [kept, given] = [deferred(), deferred()];
    messages.follow(kept.promise);
    messages.follow(given.promise.then(() => Promise.reject(new Error('the run ended'))));
    expect(messages.figures).toMatchObject({ sent: 0, pending: 2, lost: 0 });
    kept.resolve();
    given.resolve();
    await settled();
    expect(messages.figures).toMatchObject({ sent: 1, pending: 0, lost: 1 });
  });
});
