/** What repeats in the log is counted; nothing else is left out. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { jsonLines, type LogEntry, prettyLine, Repeats } from '../../../src/cli/log.js';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function written(): { lines: string[]; repeats: Repeats } {
  const lines: string[] = [];
  return { lines, repeats: new Repeats((entry, repeated) => lines.push(prettyLine(entry, repeated).trim())) };
}

const entry = (level: LogEntry['level'], message: string, more: Partial<LogEntry> = {}): LogEntry => ({
  level,
  message,
  fields: {},
  prefix: '',
  ...more,
});

describe('repeats', () => {
  it('writes five, then one in ten seconds with how many there were', () => {
    const { lines, repeats } = written();
    for (let index = 0; index < 42; index++) repeats.push(entry('warn', '1 frame dropped: damaged'));
    expect(lines).toEqual(Array(5).fill('warn: 1 frame dropped: damaged'));
    vi.advanceTimersByTime(10_000);
    expect(lines.slice(5)).toEqual(['warn: 1 frame dropped: damaged (repeated 37 times)']);
    for (let index = 0; index < 3; index++) repeats.push(entry('warn', '1 frame dropped: damaged'));
    vi.advanceTimersByTime(10_000);
    expect(lines.slice(6)).toEqual(['warn: 1 frame dropped: damaged (repeated 3 times)']);
  });

  it('begins again after a quiet time', () => {
    const { lines, repeats } = written();
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 5; index++) repeats.push(entry('info', 'the same'));
      vi.advanceTimersByTime(10_001);
    }
    expect(lines).toEqual(Array(15).fill('the same'));
  });

  it('takes warnings that differ in numbers for one kind, and tells the newest; other lines count as they are', () => {
    const { lines, repeats } = written();
    for (let index = 1; index <= 8; index++) repeats.push(entry('error', `process ${index} ended`));
    for (let index = 1; index <= 8; index++) repeats.push(entry('info', `camera: value ${index}`));
    repeats.flush();
    expect(lines.filter((line) => line.includes('process'))).toEqual([
      ...[1, 2, 3, 4, 5].map((index) => `error: process ${index} ended`),
      'error: process 8 ended (repeated 3 times)',
    ]);
    expect(lines.filter((line) => line.includes('value'))).toHaveLength(8);
  });

  it('tells cameras apart, and fields of an algorithm', () => {
    const { lines, repeats } = written();
    for (const cameraId of ['a', 'b']) {
      for (let index = 0; index < 5; index++) {
        repeats.push(entry('warn', 'x', { fields: { cameraId }, prefix: `${cameraId} ` }));
      }
    }
    for (let part = 0; part < 8; part++)
      repeats.push(entry('info', 'seen', { fields: { fields: { part } } }));
    expect(lines).toHaveLength(18);
    expect(lines.at(-1)).toBe('seen part=7');
  });

  it('loses no count when it has to forget kinds', () => {
    const { lines, repeats } = written();
    for (let index = 0; index < 20; index++) repeats.push(entry('info', 'first'));
    for (let index = 0; index < 2_000; index++) repeats.push(entry('info', `other ${index}`));
    repeats.flush();
    expect(lines.filter((line) => line.startsWith('first'))).toContain('first (repeated 15 times)');
    expect(lines.filter((line) => line.startsWith('other'))).toHaveLength(2_000);
  });
});

it('a line for programs is one object, with the fields as fields', () => {
  const lines: string[] = [];
  const write = jsonLines((line) => lines.push(line));
  const fields = { cameraId: 'left', code: 'PORT_BUSY', fields: { level: 'mine', text: 'a\nb' } };
  write(entry('error', 'two\nlines', { fields, prefix: 'left ' }), 37);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^[^\n]+\n$/);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    level: 'error',
    time: expect.any(Number),
    pid: process.pid,
    cameraId: 'left',
    code: 'PORT_BUSY',
    repeated: 37,
    msg: 'two\nlines',
    fields: { level: 'mine', text: 'a\nb' },
  });
});
