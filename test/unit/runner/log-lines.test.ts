import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter, LogTail, MAX_LINE_CHARACTERS, parseLine } from '../../../src/runner/log-lines.js';

function split(chunks: Uint8Array[]): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line.text));
  for (const chunk of chunks) splitter.push(chunk);
  splitter.end();
  return lines;
}

describe('LineSplitter', () => {
  it('cuts at LF, CR LF and CR, leaves empty lines out, keeps an unended last line', () => {
    expect(split([Buffer.from('a\nb\r\n\n10 %\r20 %\rend')])).toEqual(['a', 'b', '10 %', '20 %', 'end']);
  });

  it('gives the same lines for any chunking', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' })), fc.integer({ min: 1, max: 9 }), (texts, size) => {
        const bytes = Buffer.from(texts.join('\n'));
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
        expect(split(chunks)).toEqual(split([bytes]));
      }),
    );
  });

  it('bounds a line, losing nothing', () => {
    const text = 'x'.repeat(MAX_LINE_CHARACTERS * 2 + 5);
    for (const chunks of [
      [Buffer.from(text)],
      [Buffer.from(`${text}\n`)],
      Array(text.length).fill(Buffer.from('x')),
    ]) {
      const lines = split(chunks);
      expect(lines.map((line) => line.length)).toEqual([MAX_LINE_CHARACTERS, MAX_LINE_CHARACTERS, 5]);
    }
  });

  it('survives bytes that are not UTF-8', () => {
    expect(split([Buffer.from([0x61, 0xff, 0x0a, 0xc3])])).toEqual(['a\ufffd', '\ufffd']);
  });
});

describe('the level of a line', () => {
  it.each([
    ['{"level": "error", "message": "x"}', 'error'],
    ['{"level": "WARNING"}', 'warn'],
    ['{"level": "verbose"}', 'info'],
    ['{"level": 30}', 'info'],
    ['{not json', 'info'],
    ['Traceback (most recent call last):', 'error'],
    ["ModuleNotFoundError: No module named 'torch'", 'error'],
    ['torch.cuda.OutOfMemoryError: CUDA out of memory', 'error'],
    ['WARNING:root:low light', 'warn'],
    ['2026-01-29 09:56:36,001 - camera - ERROR - gone', 'error'],
    ['[DEBUG] x', 'debug'],
    ['0 errors found', 'info'],
    ['plain text', 'info'],
  ])('%s: %s', (text, level) => {
    expect(parseLine(text).level).toBe(level);
  });
});

describe('a structured line', () => {
  it('is read: what it says, and what else it carries', () => {
    const text = '{"level": "warning", "timestamp_ms": 1, "message": "low light", "lux": 3, "camera": "a"}';
    expect(parseLine(text)).toEqual({
      level: 'warn',
      text,
      message: 'low light',
      fields: { lux: 3, camera: 'a' },
    });
    expect(parseLine('{"level": "info", "msg": "ready"}')).toEqual({
      level: 'info',
      text: '{"level": "info", "msg": "ready"}',
      message: 'ready',
    });
  });

  it.each(['{"lux": 3}', '{"message": 7}', '{"message": ""}', '{broken', 'plain', '[1]'])(
    'without a message says itself: %s',
    (text) => {
      expect(parseLine(text).message).toBe(text);
    },
  );
});

describe('a traceback', () => {
  it('is an error to its last line, and what follows is judged anew', () => {
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(`${line.level} ${line.text}`));
    splitter.push(
      Buffer.from(
        'Traceback (most recent call last):\n  File "a.py", line 1\n    1 / 0\nZeroDivisionError: x\n  back\n',
      ),
    );
    expect(lines).toEqual([
      'error Traceback (most recent call last):',
      'error   File "a.py", line 1',
      'error     1 / 0',
      'error ZeroDivisionError: x',
      'info   back',
    ]);
  });
});

describe('LogTail', () => {
  it('keeps the last lines, shortened', () => {
    const tail = new LogTail(2, 3);
    for (const line of ['a', 'b', 'cdefg']) tail.add(line);
    expect(tail.lines).toEqual(['b', 'cde']);
  });
});
