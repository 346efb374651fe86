/** Names in subjects and topics. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { subjectOf, topicOf } from '../../../src/fleet/names.js';

it('are the words of subjects and topics', () => {
  const name = { site: 'hall-2', camera: 'cam_1' };
  expect(subjectOf(name, 'frame')).toBe('openmv.hall-2.cam_1.frame');
  expect(topicOf(name, 'status')).toBe('openmv/hall-2/cam_1/status');
});

it.each(['', '*', '>', 'a.b', 'a b', 'a/b', '+', '#', 'a\n', 'ä', 'x'.repeat(65)])(
  'cannot be %j',
  (wrong) => {
    for (const make of [subjectOf, topicOf]) {
      expect(() => make({ site: 'local', camera: wrong }, 'frame')).toThrow(/name of a camera/);
      expect(() => make({ site: wrong, camera: 'cam' }, 'frame')).toThrow(/name of a site/);
    }
  },
);

it('never make another number of words, whatever they are', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (site, camera) => {
      for (const [make, separator] of [
        [subjectOf, '.'],
        [topicOf, '/'],
      ] as const) {
        let made: string;
        try {
          made = make({ site, camera }, 'frame');
        } catch {
          continue;
        }
        expect(made.split(separator)).toEqual(['openmv', site, camera, 'frame']);
        expect(made).not.toMatch(/[*>+#\s]/);
      }
    }),
  );
});
