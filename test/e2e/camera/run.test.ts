/** `camera.run`: a script's output, or the exception that ended it. */
import { afterEach, describe, expect, it } from 'vitest';
import { type Camera, connectCamera } from '../../../src/camera/camera.js';

let camera: Camera | undefined;

afterEach(() => camera?.close());

describe('run', () => {
  it('resolves to what the script printed, without banner and prompt', async () => {
    camera = await connectCamera({ port: 'virtual' });
    const pieces: string[] = [];
    const output = await camera.run("print('one')\nprint('two')\n", { onText: (text) => pieces.push(text) });
    expect(output.replaceAll('\r', '')).toBe('one\ntwo\n');
    expect(pieces.join('')).toBe(output);
    // Nothing of it is in the next one's.
    expect(await camera.run("print('three', end='')")).toBe('three');
    expect(await camera.run('x = 1')).toBe('');
  });

  it('rejects with the traceback of the exception that ended it', async () => {
    camera = await connectCamera({ port: 'virtual' });
    const error: unknown = await camera.run("print('before')\n1 / 0\n").catch((caught: unknown) => caught);
    expect(error).toMatchObject({
      code: 'SCRIPT_EXCEPTION',
      context: {
        exception: 'ZeroDivisionError: divide by zero',
        traceback: expect.stringMatching(
          /^Traceback[\s\S]*line 2[\s\S]*ZeroDivisionError: divide by zero$/,
        ) as string,
        output: expect.stringContaining('before') as string,
      },
    });
    await expect(camera.run('if True\n')).rejects.toMatchObject({ code: 'SCRIPT_EXCEPTION' });
    // An exception that was handled is none.
    expect(
      await camera.run("try:\n  1 / 0\nexcept ZeroDivisionError as e:\n  print('handled', e)\n"),
    ).toContain('handled');
  });

  it('is stopped, or left alone', async () => {
    camera = await connectCamera({ port: 'virtual' });
    const endless = "import time\nprint('begun')\nwhile True: time.sleep_ms(10)\n";
    const stop = new AbortController();
    const onText = (text: string): void => {
      if (text.includes('begun')) stop.abort();
    };
    expect(await camera.run(endless, { stop: stop.signal, onText })).toContain('KeyboardInterrupt');
    expect(await camera.running()).toBe(false);

    const leave = new AbortController();
    const reason = new Error('not awaited any more');
    const left = camera.run(endless, { signal: leave.signal, onText: () => leave.abort(reason) });
    await expect(left).rejects.toBe(reason);
    expect(await camera.running()).toBe(true);
    await camera.stop();
  });

  it('runs each script once over a line that loses one packet in ten', async () => {
    camera = await connectCamera({ port: 'virtual', virtual: { faults: 'drop=10%,seed=3' } });
    for (let round = 0; round < 12; round++) {
      const output = await camera.run(`print('moved ${round}')\n`);
      // What it printed may be lost on the way; it is never there twice.
      expect(output.split(`moved ${round}`).length - 1).toBeLessThanOrEqual(1);
      expect(output.replace(`moved ${round}`, '').trim()).toBe('');
    }
  });
});
