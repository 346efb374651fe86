import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DecoderOptions,
  encodeMessage,
  frameJson,
  type JsonObject,
  MAX_MESSAGE_BYTES,
  MAX_RESULT_BYTES,
  MAX_SKIPPED_BYTES,
  MessageDecoder,
  replaceNonFinite,
  showBytes,
} from '../../../src/adapter/framing.js';
import { BridgeError } from '../../../src/errors.js';

function frameOf(text: string | Uint8Array): Buffer {
  const body = Buffer.from(text);
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(body.length);
  return Buffer.concat([prefix, body]);
}

function collect(options: DecoderOptions = {}) {
  const messages: JsonObject[] = [];
  const unusable: { error: BridgeError; requestId: string | undefined }[] = [];
  const decoder = new MessageDecoder(
    {
      message: (value) => messages.push(value),
      unusable: (error, requestId) => unusable.push({ error, requestId }),
    },
    options,
  );
  return { messages, unusable, decoder };
}

function errorOf(action: () => void): BridgeError {
  try {
    action();
  } catch (error) {
    if (error instanceof BridgeError) return error;
    throw error;
  }
  throw new Error('expected a BridgeError');
}

describe('encodeMessage', () => {
  it('writes a big-endian length and UTF-8 JSON', () => {
    // 00 00 00 0a: ten bytes follow; {"a":"é"} has nine characters, é two bytes.
    const expected = Buffer.from([0, 0, 0, 10, ...Buffer.from('{"a":"é"}')]);
    expect(Buffer.compare(encodeMessage({ a: 'é' }), expected)).toBe(0);
  });

  it('refuses what is too large or no JSON', () => {
    expect(errorOf(() => encodeMessage({ a: 'x'.repeat(MAX_MESSAGE_BYTES) })).code).toBe('OPTION_INVALID');
    expect(errorOf(() => encodeMessage({ a: 1n })).code).toBe('OPTION_INVALID');
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    expect(errorOf(() => encodeMessage(circular)).code).toBe('OPTION_INVALID');
  });

  it('accepts a message of exactly the limit, and the decoder takes it back', () => {
    const message = { a: 'x'.repeat(MAX_MESSAGE_BYTES - '{"a":""}'.length) };
    const { decoder, messages } = collect();
    const bytes = encodeMessage(message);
    expect(bytes.length).toBe(4 + MAX_MESSAGE_BYTES);
    decoder.push(bytes.subarray(0, 100_000));
    decoder.push(bytes.subarray(100_000));
    expect(messages).toEqual([message]);
  });
});

describe('MessageDecoder', () => {
  it('gives back the same messages for any chunking', () => {
    fc.assert(
      fc.property(
        fc.array(fc.dictionary(fc.string(), fc.jsonValue()), { maxLength: 8 }),
        fc.array(fc.nat(40), { minLength: 1, maxLength: 20 }),
        (values, sizes) => {
          const stream = Buffer.concat(values.map((value) => encodeMessage(value)));
          const { decoder, messages } = collect();
          for (let at = 0, turn = 0; at < stream.length; turn += 1) {
            const size = sizes[turn % sizes.length]! + 1;
            decoder.push(stream.subarray(at, at + size));
            at += size;
          }
          expect(messages.map((message) => JSON.stringify(message))).toEqual(
            values.map((value) => JSON.stringify(JSON.parse(JSON.stringify(value)))),
          );
          expect(decoder.midMessage).toBe(false);
        },
      ),
    );
  });

  it('splits at every byte', () => {
    const stream = Buffer.concat([encodeMessage({ type: 'a' }), encodeMessage({ type: 'ü' })]);
    for (let cut = 0; cut <= stream.length; cut += 1) {
      const { decoder, messages } = collect();
      decoder.push(stream.subarray(0, cut));
      decoder.push(stream.subarray(cut));
      expect(messages).toEqual([{ type: 'a' }, { type: 'ü' }]);
    }
  });

  it('ends any garbage in RUNNER_PROTOCOL or in nothing', () => {
    const bytes = fc.uint8Array({ maxLength: 200 });
    // Plain noise seldom gets past the length: half of the cases carry a valid one.
    const framed = bytes.map((body) => new Uint8Array(frameOf(body)));
    let failures = 0;
    fc.assert(
      fc.property(fc.array(fc.oneof(bytes, framed), { maxLength: 5 }), (chunks) => {
        const { decoder } = collect();
        for (const chunk of chunks) {
          try {
            decoder.push(chunk);
          } catch (error) {
            failures += 1;
            expect(error).toBeInstanceOf(BridgeError);
            expect((error as BridgeError).code).toBe('RUNNER_PROTOCOL');
          }
        }
      }),
    );
    expect(failures).toBeGreaterThan(0);
  });

  it('never takes a damaged byte for a different length of stream', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 255 }), (position, flip) => {
        const stream = Buffer.concat([1, 2, 3].map((n) => encodeMessage({ type: 'result', n })));
        const at = position % stream.length;
        stream[at] = stream[at]! ^ flip;
        const { decoder, messages } = collect();
        try {
          decoder.push(stream);
        } catch (error) {
          expect((error as BridgeError).code).toBe('RUNNER_PROTOCOL');
        }
        // Messages before the damaged one are whole.
        const untouched = Math.floor(at / (stream.length / 3));
        expect(messages.slice(0, untouched)).toEqual(
          [1, 2, 3].slice(0, untouched).map((n) => ({ type: 'result', n })),
        );
      }),
    );
  });

  it.each([
    ['a zero length', Buffer.alloc(4), 'of no bytes'],
    ['a length that is not believed', Buffer.from([8, 0, 0, 1]), `${MAX_SKIPPED_BYTES + 1} bytes`],
    [
      'a length that is negative as a signed number',
      Buffer.from([0xff, 0xff, 0xff, 0xf0]),
      '4294967280 bytes',
    ],
    ['a stray print', Buffer.from('Epoch 1/10\n'), '"Epoch 1/10."'],
    ['bytes that are not UTF-8', frameOf(Buffer.from([0x7b, 0xff, 0x7d])), 'hex 7b ff 7d'],
    ['text that is not JSON', frameOf('{"a":}'), 'not JSON'],
    ['NaN in text that is not JSON either', frameOf('{"a":NaN,}'), 'not JSON'],
    ['an array', frameOf('[1]'), 'not an object'],
    ['null', frameOf('null'), 'not an object'],
  ])('refuses %s, showing it, and stays refused', (_name, bytes, shown) => {
    const { decoder, messages } = collect();
    decoder.push(encodeMessage({ type: 'before' }));
    const error = errorOf(() => decoder.push(bytes));
    expect(error.code).toBe('RUNNER_PROTOCOL');
    expect(error.message).toContain(shown);
    expect(errorOf(() => decoder.push(encodeMessage({ type: 'after' })))).toBe(error);
    expect(messages).toEqual([{ type: 'before' }]);
  });

  it('keeps the stream going over NaN and infinities, and knows whose message it was', () => {
    const { decoder, messages, unusable } = collect();
    const text = '{"request_id": "r-1", "data": {"score": NaN, "a": -Infinity, "note": "NaN \\" Infinity"}}';
    decoder.push(Buffer.concat([frameOf(text), encodeMessage({ type: 'next' })]));
    expect(unusable).toMatchObject([{ error: { code: 'RUNNER_PROTOCOL' }, requestId: 'r-1' }]);
    expect(JSON.parse(replaceNonFinite(text)!)).toEqual({
      request_id: 'r-1',
      data: { score: null, a: null, note: 'NaN " Infinity' },
    });
    expect(messages).toEqual([{ type: 'next' }]);
  });

  it('skips a message above its limit, in whatever pieces, and knows whose it was', () => {
    const large = frameJson(JSON.stringify({ request_id: 'r-1', blob: 'x'.repeat(20_000) }));
    const stream = Buffer.concat([large, encodeMessage({ type: 'next' })]);
    for (const size of [1, 7, 5_000, stream.length]) {
      const { decoder, messages, unusable } = collect({ maxBytes: 10_000 });
      for (let at = 0; at < stream.length; at += size) decoder.push(stream.subarray(at, at + size));
      expect(unusable).toMatchObject([{ error: { code: 'RUNNER_PROTOCOL' }, requestId: 'r-1' }]);
      expect(unusable[0]!.error.message).toContain(`${large.length - 4} bytes; at most 10000 are allowed`);
      expect(messages).toEqual([{ type: 'next' }]);
    }
    const { decoder } = collect({ maxBytes: 10_000 });
    const nameless = frameJson(JSON.stringify({ blob: 'x'.repeat(20_000) }));
    expect(errorOf(() => decoder.push(nameless)).message).toContain('more than 10000');
    expect(MAX_RESULT_BYTES).toBe(16 * 1024 * 1024);
  });

  it.each([
    ['nested 65 deep', `{"a":${'['.repeat(64)}${']'.repeat(64)}}`, 'nested more than 64 deep'],
    ['nested 5,000 deep', `{"a":${'['.repeat(5_000)}${']'.repeat(5_000)}}`, 'nested more than 64 deep'],
    ['of a million values', `{"a":[${'0,'.repeat(1_000_001)}0]}`, 'more than 1000000 values'],
  ])('refuses a message %s', (_name, text, said) => {
    const { decoder, messages } = collect();
    const error = errorOf(() => decoder.push(frameOf(text)));
    expect(error).toMatchObject({ code: 'RUNNER_PROTOCOL' });
    expect(error.message).toContain(said);
    expect(messages).toEqual([]);
  });

  it('counts depth outside strings only', () => {
    const { decoder, messages } = collect();
    const value = { a: '[{'.repeat(500), b: '\\"[', c: '\\\\' };
    decoder.push(encodeMessage(value));
    expect(messages).toEqual([value]);
  });

  it('names the host when it is the host that writes', () => {
    const { decoder } = collect({ peer: 'host' });
    expect(errorOf(() => decoder.push(Buffer.from('hello\n'))).message).toMatch(
      /^The host announced a message of 1751477356 bytes/,
    );
  });

  it('tells what it holds of a message that is not complete', () => {
    const { decoder } = collect();
    const bytes = encodeMessage({ type: 'x' });
    expect(decoder.midMessage).toBe(false);
    for (let length = 1; length < bytes.length; length += 1) {
      const { decoder: fresh } = collect();
      fresh.push(bytes.subarray(0, length));
      expect(fresh.midMessage).toBe(true);
      expect(Buffer.compare(fresh.partial, bytes.subarray(0, length))).toBe(0);
    }
  });
});

describe('replaceNonFinite', () => {
  it('touches bare words only', () => {
    expect(replaceNonFinite('{"NaN": "Infinity"}')).toBeUndefined();
    expect(replaceNonFinite('[NaN,Infinity,-Infinity,"\\\\",NaN]')).toBe('[null,null,null,"\\\\",null]');
    expect(replaceNonFinite('"never closed NaN')).toBeUndefined();
  });

  it('makes every JSON text with non-finite numbers readable, with null in their places', () => {
    const words = ['NaN', 'Infinity', '-Infinity'];
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(2), (value, which) => {
        const text = JSON.stringify({ value, score: 0 }).replace(/0}$/, `${words[which]}}`);
        const repaired = replaceNonFinite(text);
        expect(JSON.parse(repaired!)).toEqual({ ...JSON.parse(JSON.stringify({ value })), score: null });
      }),
    );
  });
});

describe('showBytes', () => {
  it('shows text and hex, and says when there is more', () => {
    expect(showBytes(Buffer.from('ab\n'))).toBe('"ab." (hex 61 62 0a)');
    expect(showBytes(Buffer.from('abcdef'), 2)).toBe('"ab" (hex 61 62, ...)');
  });
});
