import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
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

  it('cuts a long line and says how much is missing', () => {
    const text = 'x'.repeat(MAX_LINE_CHARACTERS * 2 + 5);
    for (const chunks of [
      [Buffer.from(text)],
      [Buffer.from(`${text}\n`)],
      Array(text.length).fill(Buffer.from('x')),
    ]) {
      const missing = MAX_LINE_CHARACTERS + 5;
      expect(split(chunks)).toEqual([`${'x'.repeat(MAX_LINE_CHARACTERS)}... (${missing} more characters)`]);
    }
  });

  it('escapes control characters and drops colours', () => {
    expect(split([Buffer.from('\u001b[31mred\u001b[0m \u001b[2J\u0007 \u202eok\ttab')])).toEqual([
      'red \\u001b[2J\\u0007 \\u202eok\ttab',
    ]);
    expect(parseLine('{"message": "a", "b\\u0007": "c\\u001b[2J"}').fields).toEqual({
      'b\\u0007': 'c\\u001b[2J',
    });
    const deep = `{"message": "a", "b": ${'['.repeat(5_000)}${']'.repeat(5_000)}}`;
    expect(parseLine(deep)).toEqual({ level: 'info', text: deep, message: deep });
    expect(parseLine('{"message": "a\\u001b[2Jb"}').message).toBe('a\\u001b[2Jb');
  });

  it('gives out so many lines a second, counts the others and says so', async () => {
    vi.useFakeTimers();
    try {
      const lines: string[] = [];
      const splitter = new LineSplitter(({ text }) => lines.push(text), 3);
      // The first two seconds' worth come at once, the window begins with the second.
      splitter.push(Buffer.from('1\n2\n3\n4\n5\n6\n7\n8\n'));
      expect(lines).toEqual(['1', '2', '3', '4', '5', '6']);
      splitter.push(Buffer.from('9\n10\n11 and'));
      splitter.push(Buffer.from(' more\n'));
      expect(splitter.leftOut).toBe(5);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(lines.slice(6)).toEqual(['5 lines of the log were left out: at most 3 a second are kept']);
      splitter.push(Buffer.from('12\n'));
      expect(lines.at(-1)).toBe('12');
      splitter.push(Buffer.from('13\n14\n15\n16\n'));
      splitter.end();
      expect(lines.slice(8)).toEqual([
        '13',
        '14',
        '2 lines of the log were left out: at most 3 a second are kept',
      ]);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it('counts every line of a flood once, whatever the chunks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'bcd', '\n', '\r\n', ''), { maxLength: 80 }),
        fc.integer({ min: 1, max: 7 }),
        (pieces, size) => {
          const bytes = Buffer.from(pieces.join(''));
          const lines: string[] = [];
          const splitter = new LineSplitter(({ level, text }) => level === 'info' && lines.push(text), 1);
          for (let at = 0; at < bytes.length; at += size) splitter.push(bytes.subarray(at, at + size));
          splitter.end();
          const all = split([bytes]);
          expect(lines.length + splitter.leftOut).toBe(all.length);
          expect(lines).toEqual(all.slice(0, lines.length));
        },
      ),
    );
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
  it('is an error to its last line, and what follows is judged again', () => {
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
    const tail = new LogTail();
    for (let n = 0; n < 5_000; n += 1) tail.push(Buffer.from(`line ${n}\n`));
    tail.push(Buffer.from('x'.repeat(600)));
    expect(tail.lines).toHaveLength(20);
    expect(tail.lines.at(-2)).toBe('line 4999');
    expect(tail.lines.at(-1)).toBe('x'.repeat(500));
    tail.push(Buffer.from(`${'y'.repeat(1_000_000)}\nlast`));
    expect(tail.lines.at(-1)).toBe('last');
  });
});
