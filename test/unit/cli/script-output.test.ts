/** A script that was stopped is told as that; what a script prints by itself is told as it is. */
import { expect, it } from 'vitest';
import { scriptOutput } from '../../../src/cli/script-output.js';

const STOPPED =
  'Traceback (most recent call last):\r\n  File "main.py", line 668, in <module>\r\n  File "main.py", line 654, in run\r\nKeyboardInterrupt: \r\n';
const PROMPT =
  'OpenMV v5.0.0; MicroPython; openmv-bridge virtual camera\r\nType "help()" for more information.\r\n>>> ';

it.each([
  ['a script that was stopped', STOPPED, '', true],
  ['the prompt', PROMPT, '', false],
  ['both in one piece', STOPPED + PROMPT, '', true],
  ['what is printed', 'light 3\r\nlight 4\r\n', 'light 3\r\nlight 4', false],
  ['what is printed before the prompt', `done\r\n${PROMPT}`, 'done', false],
])('%s', (_, given, text, stopped) => {
  expect(scriptOutput(given)).toEqual({ text, stopped });
});

it.each([
  'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: 3\n',
  'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\nValueError: 3\nKeyboardInterrupt: \n',
  'KeyboardInterrupt: \n',
])('a failure of its own stays: %j', (text) => {
  expect(scriptOutput(text)).toEqual({ text: text.trimEnd(), stopped: false });
});
