/** `exec` runs a script on the camera and follows what it prints. */
import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { Program, run } from './program.js';
import { PORT, useScratch } from './support.js';

const scratch = useScratch();

async function script(name: string, text: string): Promise<string> {
  const path = scratch.path(name);
  await writeFile(path, text);
  return path;
}

describe('exec', () => {
  it('prints what the script prints, to its end', async () => {
    const path = await script(
      'count.py',
      'import time\nfor i in range(5):\n    print("tick", i)\n    time.sleep_ms(60)\n',
    );
    const { status, stdout, stderr } = await run(['exec', path, '--port', PORT]);
    expect(stdout.replaceAll('\r', '')).toContain('tick 0\ntick 1\ntick 2\ntick 3\ntick 4\n');
    expect(status, stderr).toBe(0);
  });

  it('ends with 1 and the traceback when the script ends with an exception', async () => {
    const path = await script('broken.py', 'def inspect():\n    return 1 // 0\n\ninspect()\n');
    const { status, stdout } = await run(['exec', path, '--port', PORT]);
    expect(stdout).toContain('ZeroDivisionError');
    expect(status).toBe(1);
  });

  it('stops an endless script at SIGINT', async () => {
    const path = await script('endless.py', 'print("begun")\nwhile True:\n    pass\n');
    const program = new Program(['exec', path, '--port', PORT]);
    await expect.poll(() => program.stdout, { timeout: 20_000 }).toContain('begun');
    program.kill('SIGINT');
    expect((await program.ended).status).toBe(0);
  });

  /**
   * Runs a script that prints fast. A read that crosses the interpreter's restart is answered to no one, and the text with
   * it gone (src/camera/README.md): such a round is rare, and started again.
   */
  async function runFast(path: string, end: RegExp): Promise<{ status: number | null; text: string }> {
    for (let round = 1; ; round++) {
      const { status, stdout } = await run(['exec', path, '--port', PORT]);
      const text = stdout.replaceAll('\r', '');
      if (end.test(text) || round === 4) return { status, text };
    }
  }

  it('has the end of what was printed fast, and nothing of the prompt', async () => {
    const path = await script('many.py', 'for i in range(3000): print("line", i)\n');
    for (let round = 0; round < 3; round++) {
      const end = /line 2998\nline 2999\n$/;
      const { status, text } = await runFast(path, end);
      expect(text).toMatch(end);
      expect(status).toBe(0);
    }
  });

  it('ends with 1 when much was printed before the exception', async () => {
    const path = await script(
      'late.py',
      'for i in range(3000): print("line", i)\nraise ValueError("late")\n',
    );
    const end = /ValueError: late\n$/;
    const { status, text } = await runFast(path, end);
    expect(text).toMatch(end);
    expect(status).toBe(1);
  });

  it('ends with 0 when an exception was only printed', async () => {
    const path = await script(
      'handled.py',
      'import sys\ntry:\n    1 // 0\nexcept ZeroDivisionError as error:\n    sys.print_exception(error)\nprint("went on")\n',
    );
    const { status, stdout } = await run(['exec', path, '--port', PORT]);
    expect(stdout).toContain('Traceback (most recent call last)');
    expect(stdout.replaceAll('\r', '')).toMatch(/went on\n$/);
    expect(status).toBe(0);
  });
});
