/** What a script printed, told apart from what the firmware prints at its end. */
import { describe, expect, it } from 'vitest';
import { ReplFilter, tracebackAtEnd } from '../../../src/camera/repl-text.js';

const REBOOT = 'MPY: soft reboot\r\n';
const BANNER =
  'OpenMV v5.0.0; MicroPython v1.26; OpenMV N6 with STM32N6\r\nType "help()" for more information.\r\n>>> ';

/** What is shown of a text that comes in pieces of `step` characters. */
function shown(text: string, step = 1): string {
  const filter = new ReplFilter();
  let out = '';
  for (let at = 0; at < text.length; at += step) out += filter.push(text.slice(at, at + step));
  return out + filter.end();
}

describe("the firmware's words at the end", () => {
  it.each([1, 2, 7, 1_000])('are left out, in pieces of %d', (step) => {
    expect(shown(`one\r\ntwo\r\n${REBOOT}${BANNER}`, step)).toBe('one\r\ntwo\r\n');
    expect(shown(`one\r\n${REBOOT}`, step)).toBe('one\r\n');
    expect(shown(`no line end${REBOOT}${BANNER}`, step)).toBe('no line end');
    expect(shown(`MPY, no line endMPY: soft, MPY${REBOOT}`, step)).toBe('MPY, no line endMPY: soft, MPY');
    expect(shown(`${REBOOT}${BANNER}`, step)).toBe('');
  });

  it.each([1, 3, 1_000])('are shown where the script printed them, in pieces of %d', (step) => {
    for (const text of [
      `${REBOOT}and on\r\n`,
      `${REBOOT}${BANNER}and on\r\n`,
      '>>> ',
      'MPY: soft',
      `MPY: soft reboot now\r\n`,
      `${REBOOT}${'MicroPython '.repeat(100)}`,
    ]) {
      expect(shown(text, step)).toBe(text);
    }
    expect(shown(`${REBOOT}${REBOOT}${BANNER}`, step)).toBe(REBOOT);
  });

  it.each([1, 2, 1_000])('need no one line: what a firmware leaves out, in pieces of %d', (step) => {
    const help = 'Type "help()" for more information, or nothing.\r\n';
    for (const words of [
      `OpenMV v6.1; MicroPython v1.30; another board\r\n${help}>>> `,
      `MicroPython v1.30 on 2027-01-01; a board\n${help.replace('\r', '')}>>> `,
      `${REBOOT}>>> `,
      `${REBOOT}${help}`,
      `${help}>>> `,
    ]) {
      expect(shown(`one\r\n${words}`, step)).toBe('one\r\n');
    }
    expect(shown('OpenMV v6.1; MicroPython v1.30; printed by the script\r\n', step)).toContain('printed by');
    expect(shown('OpenMV is here\r\n', step)).toBe('OpenMV is here\r\n');
  });

  it('are not waited for: text is shown as it comes', () => {
    const filter = new ReplFilter();
    expect(filter.push('progress 10 %')).toBe('progress 10 %');
    expect(filter.push('\r\nM')).toBe('\r\n');
    expect(filter.push('ore')).toBe('More');
  });
});

describe('a traceback at the end', () => {
  const traceback = 'Traceback (most recent call last):\r\n  File "<stdin>", line 4, in <module>\r\n';
  it.each([
    [`${traceback}ZeroDivisionError: divide by zero\r\n`, true],
    [`1\r\n${traceback}  File "<stdin>", line 2, in f\r\nMemoryError: \r\n`, true],
    [`${traceback}KeyError\r\n`, true],
    [`${traceback}ValueError: one\r\n\r\n${traceback}OSError: [Errno 5] EIO\r\n`, true],
    [`${traceback}ValueError: handled\r\nwent on\r\n`, false],
    ['print: Traceback (most recent call last):\r\n', false],
    ['Traceback (most recent call last):\r\n', false],
    ['', false],
  ])('%j: %s', (text, expected) => {
    expect(tracebackAtEnd(text) !== undefined).toBe(expected);
  });

  it('is given whole, from its head line on', () => {
    const whole = `${traceback}  File "<stdin>", line 2, in f\r\nOSError: [Errno 5] EIO\r\n`;
    expect(tracebackAtEnd(`before\r\n${whole}`)).toBe(whole.replaceAll('\r', '').trim());
    expect(tracebackAtEnd('ne 3, in g\r\n  File "x", line 2, in f\r\nOSError\r\n')).toContain('OSError');
  });
});
