import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Message, MessageSplitter } from '../../../src/control/message-splitter.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function split(text: string, limit = 1_000): Message[] {
  const splitter = new MessageSplitter(limit);
  const messages = splitter.push(bytes(text));
  const rest = splitter.end();
  return rest ? [...messages, rest] : messages;
}

/** A message's text, or `!` for a problem. */
const short = (messages: readonly Message[]): string[] =>
  messages.map((message) => ('text' in message ? message.text : '!'));

const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 5 });
const GAPS = fc.constantFrom('', '\n', ' \r\n', '\n\n  ');

describe('splitting a stream into messages', () => {
  it('finds every object, however the bytes are cut and whatever blanks lie between', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(object, fc.boolean(), GAPS), { maxLength: 6 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
        (parts, cuts) => {
          const stream = bytes(
            parts.map(([value, pretty, gap]) => JSON.stringify(value, null, pretty ? 2 : 0) + gap).join(''),
          );
          const splitter = new MessageSplitter(100_000);
          const found: Message[] = [];
          for (let at = 0; at < stream.length; ) {
            const size = cuts.next().value;
            found.push(...splitter.push(stream.subarray(at, at + size)));
            at += size;
          }
          expect(found.map((message) => JSON.parse('text' in message ? message.text : ''))).toEqual(
            parts.map(([value]) => JSON.parse(JSON.stringify(value))),
          );
          expect(splitter.end()).toBeUndefined();
        },
      ),
    );
  });

  it('never throws, whatever comes, and understands the line after', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const splitter = new MessageSplitter(1_000);
        splitter.push(noise);
        const messages = splitter.push(bytes('\n\n"\n{"command":"x"}'));
        expect(messages.length).toBeGreaterThan(0);
      }),
    );
  });

  it.each<[string, string[]]>([
    ['{"a":"}"}{"b":[1,{"c":"\\""}]}', ['{"a":"}"}', '{"b":[1,{"c":"\\""}]}']],
    ['{"a": broken}{"b":1}', ['{"a": broken}', '{"b":1}']],
    ['{"a" 1}{"b":1}', ['!', '{"b":1}']],
    ['{"a":1,}\n{"b":1}', ['!', '{"b":1}']],
    ['{"a":"unfinished\n{"b":1}', ['!', '{"b":1}']],
    ['{"a":"b"\n{"b":1}', ['!', '{"b":1}']],
    ['{"a":{"x":[1 2]}} {"b":1}', ['!', '{"b":1}']],
    ['hello {"b":1}', ['!', '{"b":1}']],
    ['hello\n{"b":1}', ['!', '{"b":1}']],
    ['}{"b":1}', ['!', '{"b":1}']],
    ['{"a":1', ['!']],
    ['[1,2]{"b":1}', ['[1,2]', '{"b":1}']],
    ['', []],
  ])('%j', (text, expected) => {
    expect(short(split(text))).toEqual(expected);
  });

  it('refuses a message beyond the limit once and goes on behind it', () => {
    expect(short(split(`{"a":"${'x'.repeat(2_000)}","b":{}}{"b":1}`))).toEqual(['!', '{"b":1}']);
  });

  it('refuses what is nested without end', () => {
    expect(short(split(`{"a":${'['.repeat(500)}`))[0]).toBe('!');
  });

  it('refuses bytes that are no UTF-8', () => {
    const splitter = new MessageSplitter(100);
    expect(splitter.push(Uint8Array.from([...bytes('{"a":"'), 0xff, ...bytes('"}')]))).toEqual([
      { problem: 'the message is not UTF-8' },
    ]);
  });
});
