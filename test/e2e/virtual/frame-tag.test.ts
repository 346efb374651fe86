/** `frame.tag` of the bundled script: what it takes, and what hosts that know nothing of it see. */
import { describe, expect, it } from 'vitest';
import { scriptText } from '../../../src/camera/script-text.js';
import { type TestHost, until } from './host.js';
import { blank } from './setup.js';
import { HEADER, header, WINDOW } from './window-host.js';

const LOOKING = (body: string, before = ''): Promise<string> =>
  scriptText(
    `from frame_channel import frame, run, sensor\n${before}\ndef look(image):\n    ${body}\n\nrun(look)\n`,
  );

async function windowOf(guest: TestHost): Promise<Uint8Array> {
  const channel = await guest.channel('frame');
  const head = await until('a header', async () => {
    const { outcome, bytes } = await guest.tryRead(channel, WINDOW, HEADER);
    return outcome.kind === 'read' ? header(bytes) : undefined;
  });
  return guest.read(channel, WINDOW, Math.ceil((HEADER + head.size + head.data) / 32) * 32);
}

function dataOf(window: Uint8Array): string {
  const { size, data } = header(window);
  return new TextDecoder().decode(window.subarray(HEADER + size, HEADER + size + data));
}

describe('frame.tag', () => {
  it('puts JSON of up to 1 KB behind the JPEG', async () => {
    const { host } = await blank();
    await host.exec(await LOOKING('frame.tag("x" * 1022)'));
    const window = await windowOf(host);
    expect(header(window).data).toBe(1_024);
    expect(JSON.parse(dataOf(window))).toBe('x'.repeat(1_022));
  });

  it('before the first picture is for the first picture alone; the last call counts', async () => {
    const { host } = await blank();
    await host.exec(await LOOKING('pass', 'frame.tag(1)\nframe.tag({"first": True})'));
    const first = await windowOf(host);
    expect(JSON.parse(dataOf(first))).toEqual({ first: true });
    const channel = await host.channel('frame');
    await host.read(channel, 0x3000_0000 + header(first).number, 1);
    const second = await until('another frame', async () => {
      const window = await windowOf(host).catch(() => undefined);
      return window && header(window).number !== header(first).number ? window : undefined;
    });
    expect(header(second).data).toBe(0);
  });

  it.each([
    ['more than 1 KB', 'frame.tag("x" * 1023)', 'frame.tag: 1025 bytes of JSON; a frame has room for 1024'],
    ['what is no JSON', 'frame.tag([1, float("nan")])', 'frame.tag: this is no JSON: [1, nan]'],
    ['an object', 'frame.tag(frame)', 'frame.tag: this is no JSON: <Frame'],
  ])('%s is an exception in the script, at its own line', async (_what, call, message) => {
    const { host } = await blank();
    const body = `try:\n        ${call}\n    except ValueError as error:\n        sys.print_exception(error)`;
    await host.exec(await LOOKING(body, 'import sys'));
    expect(await host.stdoutUntil(message)).toContain('File "<string>", line 5, in look');
  });

  it('changes nothing for a host that reads JPEGs by SIZE, or SHAPE, and READ', async () => {
    const { host } = await blank();
    await host.exec(await LOOKING('frame.tag({"pad": "x" * 500})'));
    const channel = await host.channel('frame');
    for (let count = 0; count < 6; count++) {
      const jpeg = await host.frame(channel);
      expect([...jpeg.subarray(0, 2)]).toEqual([0xff, 0xd8]);
      expect([...jpeg.subarray(-2)]).toEqual([0xff, 0xd9]);
    }
  });

  it('lets an exception of the script end it, also right after a change of settings', async () => {
    const { host } = await blank();
    await host.exec(
      await LOOKING('raise KeyError("mine")', 'import frame_channel\nframe_channel.set_quality(50)'),
    );
    // Its channel may have come and gone.
    await host.stdoutUntil('KeyError: mine');
    await until('the end of the script', async () => !(await host.running()));
  });
});
