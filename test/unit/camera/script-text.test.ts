/** A script that imports the bundled module is sent together with it. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { scriptText } from '../../../src/camera/script-text.js';
import { packageFile } from '../../../src/package.js';

const bundled = readFileSync(packageFile('firmware/frame_channel.py'), 'utf8');

describe('the text that is sent for a script', () => {
  it.each(['print("frame_channel")\n', '# import of frame_channel\nimport frame_channels\n', bundled])(
    'is the script itself where it imports nothing of ours: %#',
    async (script) => {
      expect(await scriptText(script)).toBe(script);
    },
  );

  it.each([
    'from frame_channel import frame, run\nrun()\n',
    'import csi\nimport frame_channel as camera\n',
    'if True:\n    from frame_channel import run\n',
  ])('has the module in front, which does not run by itself: %#', async (script) => {
    const text = await scriptText(script);
    expect(text.startsWith(bundled.slice(0, 5_000))).toBe(true);
    expect(text).toContain('def run(look=None):');
    expect(text).not.toContain('if __name__ ==');
    expect(text).toContain(JSON.stringify(script));
  });
});
