import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Message, MessageReader } from '../../../src/control/message-reader.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const reader = (size = 100_000) => new MessageReader({ bytes: size, depth: 64, tokens: 10_000 });

function read(text: string, size = 1_000): Message[] {
  const messages = reader(size);
  return [...messages.push(bytes(text)), ...messages.end()];
}

/** A message as text, or `!` for a problem. */
const short = (messages: readonly Message[]): string[] =>
  messages.map((message) => ('value' in message ? JSON.stringify(message.value) : '!'));

const object = fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 }), { maxKeys: 5 });
const GAPS = fc.constantFrom('', '\n', ' \r\n', '\n\n  ');

describe('reading messages from a stream', () => {
  it('finds every object, however the bytes are cut and whatever blanks lie between', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(object, fc.boolean(), GAPS), { maxLength: 6 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 9 })),
        (parts, cuts) => {
          const stream = bytes(
            parts.map(([value, pretty, gap]) => JSON.stringify(value, null, pretty ? 2 : 0) + gap).join(''),
          );
          const messages = reader();
          const found: Message[] = [];
          for (let at = 0; at < stream.length; ) {
            const size = cuts.next().value;
            found.push(...messages.push(stream.subarray(at, at + size)));
            at += size;
          }
          expect(found.map((message) => 'value' in message && message.value)).toEqual(
            parts.map(([value]) => JSON.parse(JSON.stringify(value))),
          );
          expect(messages.end()).toEqual([]);
        },
      ),
    );
  });

  it('never throws, whatever comes, and understands the line after', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        const messages = reader(1_000);
        messages.push(noise);
        expect(messages.push(bytes('\n\n"\n{"command":"x"}')).at(-1)).toEqual({ value: { command: 'x' } });
      }),
    );
  });

  it.each<[string, string[]]>([
    ['{"a":"}"}{"b":[1,{"c":"\\""}]}', ['{"a":"}"}', '{"b":[1,{"c":"\\""}]}']],
    ['{"a": broken}{"b":1}', ['!', '{"b":1}']],
    ['{"a" 1}{"b":1}', ['!', '{"b":1}']],
    ['{"a":1,}\n{"b":1}', ['!', '{"b":1}']],
    ['{"a":"unfinished\n{"b":1}', ['!', '{"b":1}']],
    ['{"a":"b"\n{"b":1}', ['!', '{"b":1}']],
    ['{"a":{"x":[1 2]}} {"b":1}', ['!', '{"b":1}']],
    ['hello {"b":1}\n{"c":1}', ['!', '{"c":1}']],
    ['hello\n{"b":1}', ['!', '{"b":1}']],
    ['}{"b":1}', ['!', '{"b":1}']],
    ['{"a":1}\0{"b":1}\0\n', ['{"a":1}', '{"b":1}']],
    ['{"__proto__":{"a":1}}', ['{"__proto__":{"a":1}}']],
    ['{"a":"\\x"}\n{"b":01}\n{"c":1e}\n{"d":-0.5e3}', ['!', '!', '!', '{"d":-500}']],
    ['{"a":1', ['!']],
    ['[1,2]{"b":1}', ['[1,2]', '{"b":1}']],
    ['', []],
  ])('%j', (text, expected) => {
    expect(short(read(text))).toEqual(expected);
  });

  it('goes on after damage where a later write begins with a brace', () => {
    const messages = reader();
    expect(short(messages.push(bytes('{"a": broken')))).toEqual(['!']);
    expect(short(messages.push(bytes(' and the rest of it}')))).toEqual([]);
    expect(short(messages.push(bytes('{"b":1}')))).toEqual(['{"b":1}']);
  });

  it.each([
    ['bytes', `{"a":"${'x'.repeat(2_000)}`, /at most 1000 bytes/],
    ['depth', `{"a":${'['.repeat(500)}`, /nested more than 64 deep/],
    ['values', `{"a":[${'1,'.repeat(20_000)}`, /too many values/],
  ])('refuses a message of too many %s once, and goes on behind it', (what, text, problem) => {
    const messages = reader(what === 'bytes' ? 1_000 : 1_000_000);
    const found: Message[] = [];
    for (let at = 0; at < text.length; at += 500)
      found.push(...messages.push(bytes(text.slice(at, at + 500))));
    expect(found).toEqual([{ problem: expect.stringMatching(problem) }]);
    expect(short(messages.push(bytes('"}]\n{"b":1}')))).toEqual(['{"b":1}']);
  });

  it('refuses bytes that are no UTF-8', () => {
    const messages = reader();
    expect(messages.push(Uint8Array.from([...bytes('{"a":"'), 0xff, ...bytes('"}')]))).toEqual([
      { problem: 'the message is not UTF-8' },
    ]);
    expect(short(messages.push(bytes('{"b":1}')))).toEqual(['{"b":1}']);
  });
});
