/** The numbers of cameras in names: by place at the start, kept while others come and go. */
import { expect, it } from 'vitest';
import { type ConfiguredCamera, numbered, numberedInput } from '../../../src/cli/camera-numbers.js';
import type { BridgeInput } from '../../../src/options/index.js';

const camera = (input: BridgeInput, ...own: string[]): ConfiguredCamera => ({ input, own: new Set(own) });
const at = (port: string, more: BridgeInput = {}): ConfiguredCamera => camera({ port, ...more });
const numbers = (cameras: readonly { readonly number: number }[]): number[] =>
  cameras.map(({ number }) => number);

it('at the start: the place', () => {
  expect(numbers(numbered([at('/a'), at('/b'), at('/c')], []))).toEqual([1, 2, 3]);
});

it('those that stay keep theirs, others have the lowest that are free', () => {
  const [a, b, c, d, e] = ['/a', '/b', '/c', '/d', '/e'].map((port) => at(port)) as [
    ConfiguredCamera,
    ...ConfiguredCamera[],
  ];
  const before = numbered([a, b!, c!], []);
  expect(numbers(numbered([c!, b!], before))).toEqual([3, 2]);
  const after = numbered([d!, c!, e!, b!], before);
  expect(numbers(after)).toEqual([1, 3, 4, 2]);
  expect(numbers(numbered([b!, a], numbered([b!], before)))).toEqual([2, 1]);
});

it('one whose options change is the same camera, by its id or its port', () => {
  const before = numbered([at('/a'), at('/b'), at('/c', { cameraId: 'c' })], []);
  const now = [at('/d', { cameraId: 'c' }), at('/b', { frames: 3 }), at('/e')];
  expect(numbers(numbered(now, before))).toEqual([3, 2, 1]);
});

it('cameras that cannot be told apart have a number each', () => {
  const before = numbered([at('virtual'), at('virtual')], []);
  expect(numbers(before)).toEqual([1, 2]);
  expect(numbers(numbered([at('virtual', { frames: 3 }), at('virtual')], before))).toEqual([2, 1]);
});

it("a number stands behind what is common, not behind what is a camera's own", () => {
  const number = 2;
  expect(numberedInput({ ...camera({ port: '/b', ring: '/r', arrays: 'x' }, 'ring'), number })).toEqual({
    port: '/b',
    shmName: '/openmv_frame_2',
    ring: '/r',
    arrays: 'x_2',
  });
  expect(numberedInput({ ...at('virtual', { virtual: { id: 5 } }), number })).toMatchObject({
    virtual: { id: 6 },
  });
  const own = camera({ port: 'virtual', shmName: '/s', virtual: { id: 5 } }, 'shmName', 'virtual.id');
  expect(numberedInput({ ...own, number })).toEqual(own.input);
  expect(numberedInput({ ...at('/a'), number: 1 })).toEqual({ port: '/a' });
});
