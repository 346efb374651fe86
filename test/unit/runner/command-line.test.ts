import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { splitCommandLine } from '../../../src/runner/options.js';

describe('splitCommandLine', () => {
  it.each<[string, string[]]>([
    ['python -m procvision_algorithm_sdk.adapter', ['python', '-m', 'procvision_algorithm_sdk.adapter']],
    ['  a \t b\n c ', ['a', 'b', 'c']],
    [`a 'b c' "d e"`, ['a', 'b c', 'd e']],
    [`a'b'"c"d`, ['abcd']],
    [`a '' ""`, ['a', '', '']],
    ['a\\ b c\\\\', ['a b', 'c\\']],
    [`a "\\$x \\" \\\\ \\n"`, ['a', '$x " \\ \\n']],
    [`'C:\\Program Files\\x.exe' y`, ['C:\\Program Files\\x.exe', 'y']],
    ['a b\\\nc "d\\\ne"', ['a', 'bc', 'de']],
    ['a $HOME *.py | tee; b & #c', ['a', '$HOME', '*.py', '|', 'tee;', 'b', '&', '#c']],
  ])('splits %j', (text, words) => {
    expect(splitCommandLine(text)).toEqual(words);
  });

  it.each([
    [`a 'b`, 'single quote'],
    [`a "b`, 'double quote'],
    [`a "b\\"`, 'double quote'],
    ['a \\', 'backslash'],
    ['a\0b', 'NUL'],
    ['', 'empty'],
    ['  ', 'empty'],
    [`'' a`, 'empty word'],
  ])('refuses %j', (text, what) => {
    let error: unknown;
    try {
      splitCommandLine(text);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(BridgeError);
    expect((error as BridgeError).code).toBe('OPTION_INVALID');
    expect((error as BridgeError).message).toContain(what);
  });

  it('splits as sh does, for words without expansions', () => {
    const piece = fc.constantFrom('a', 'b', ' ', "'", '"', '\\', '\\"', "'c d'", '"e f"', 'é', '=');
    const text = fc.array(piece, { minLength: 1, maxLength: 12 }).map((pieces) => `x${pieces.join('')}`);
    // A newline after the text would become part of an unclosed quote: sh must refuse those as we do.
    const script = (line: string) => `for word in ${line}; do printf '%s\\0' "$word"; done`;
    fc.assert(
      fc.property(text, (line) => {
        let ours: string[] | undefined;
        try {
          ours = splitCommandLine(line);
        } catch {
          // Judged below only when we accept it: sh reads an unclosed quote on into its own script.
        }
        if (ours === undefined) return;
        const out = execFileSync('sh', ['-c', script(line)], { encoding: 'utf8' });
        expect(out.split('\0').slice(0, -1)).toEqual(ours);
      }),
      { numRuns: 60 },
    );
  });
});
