/** What waits for an MQTT broker: bounded, in order, and what does not fit is counted and told. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Message, Outbox, type OutboxLimits } from '../../../src/fleet/mqtt/outbox.js';

const LIMITS: OutboxLimits = { messages: 5, bytes: 1_000, urgent: 3 };

/** A broker that answers when the test says so. */
function setUp(limits = LIMITS) {
  const flying: [Message, (taken: boolean) => void][] = [];
  const taken: string[] = [];
  const outbox = new Outbox(
    (message, done) => flying.push([message, done]),
    (count) => ({ topic: 'event', payload: `lost ${count}` }),
    limits,
  );
  const answer = (ok = true): void => {
    const [message, done] = flying.shift()!;
    if (ok) taken.push(String(message.payload));
    done(ok);
  };
  const push = (payload: string): void => outbox.push({ topic: 'result', payload });
  const answerAll = (): void => {
    while (flying.length > 0) answer();
  };
  return { outbox, flying, taken, answer, answerAll, push };
}

describe('Outbox', () => {
  it('keeps messages until there is a connection, then sends few at a time, in order', () => {
    const { outbox, flying, taken, answer, answerAll, push } = setUp();
    for (const name of ['a', 'b', 'c']) push(name);
    expect(flying).toHaveLength(0);
    outbox.open(2);
    expect(flying).toHaveLength(2);
    answer();
    expect(flying).toHaveLength(2);
    answerAll();
    expect(taken).toEqual(['a', 'b', 'c']);
    expect(outbox).toMatchObject({ sent: 3, lost: 0, pending: 0 });
  });

  it('lets the oldest give way, and tells how many before the next', () => {
    const { outbox, taken, answerAll, push } = setUp();
    for (let n = 1; n <= 8; n++) push(String(n));
    expect(outbox).toMatchObject({ lost: 3, pending: 5 });
    outbox.open(1);
    answerAll();
    expect(taken).toEqual(['lost 3', '4', '5', '6', '7', '8']);
  });

  it('is bounded in size as well', () => {
    const { outbox, push } = setUp();
    push('x'.repeat(600));
    push('y'.repeat(600));
    expect(outbox).toMatchObject({ lost: 1, pending: 1 });
  });

  it('sends what is urgent first, or says that it cannot', () => {
    const { outbox, taken, answerAll, push } = setUp();
    const told: boolean[] = [];
    const now = (payload: string): void => outbox.now({ topic: 't', payload }, (ok) => told.push(ok));
    now('no one is there');
    expect(told).toEqual([false]);
    push('a');
    push('b');
    outbox.open(1);
    for (const name of ['1', '2', '3', '4']) now(name);
    expect(told).toEqual([false, false]);
    answerAll();
    expect(taken).toEqual(['a', '1', '2', '3', 'b']);
    now('5');
    now('6');
    outbox.shut();
    expect(told.slice(2)).toEqual([true, true, true, false]);
  });

  it('counts what the broker refuses', () => {
    const { outbox, answer, push } = setUp();
    outbox.open(1);
    push('a');
    answer(false);
    expect(outbox).toMatchObject({ sent: 0, lost: 1, pending: 0 });
  });

  it('says when the broker has everything', async () => {
    const { outbox, answerAll, push } = setUp();
    outbox.open(1);
    push('a');
    push('b');
    const empty = outbox.empty();
    answerAll();
    await empty;
    await outbox.empty();
  });

  it('never sends more at a time than may be, loses none that it does not count, and changes no order', () => {
    const step = fc.oneof(
      fc.constant('push' as const),
      fc.constant('answer' as const),
      fc.constant('shut' as const),
      fc.integer({ min: 1, max: 4 }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { outbox, flying, taken, answer, answerAll, push } = setUp();
        let pushed = 0;
        let most = 0;
        for (const one of steps) {
          if (one === 'push') push(String(++pushed));
          else if (one === 'answer') {
            if (flying.length > 0) answer();
          } else if (one === 'shut') outbox.shut();
          else {
            most = Math.max(most, one);
            outbox.open(one);
          }
          expect(flying.length).toBeLessThanOrEqual(most);
          expect(outbox.pending - flying.length).toBeLessThanOrEqual(LIMITS.messages);
        }
        outbox.open(1);
        answerAll();
        const numbers = taken.filter((text) => !text.startsWith('lost')).map(Number);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
        expect(numbers.length + outbox.lost).toBe(pushed);
      }),
    );
  });
});
