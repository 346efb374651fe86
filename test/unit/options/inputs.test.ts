/** The interfaces that editors show are those of the schemas, in both directions. */
import { expect, it } from 'vitest';
import type { z } from 'zod';
import { createBridge } from '../../../src/bridge/index.js';
import type {
  BridgeInput,
  bridgeOptionsSchema,
  CameraInput,
  cameraOptionsSchema,
} from '../../../src/options/index.js';

/** Does not compile unless each of the two can stand for the other. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;

it('has the forms of the schemas', () => {
  const bridge: Same<BridgeInput, z.input<typeof bridgeOptionsSchema>> = true;
  const camera: Same<CameraInput, z.input<typeof cameraOptionsSchema>> = true;
  expect([bridge, camera]).toEqual([true, true]);
});

it('an unknown value does not compile, and is told with the known ones', () => {
  // @ts-expect-error there is no such delivery
  expect(() => createBridge({ delivery: 'sometimes' })).toThrow(/delivery: must be one of latest, every/);
  // @ts-expect-error there is no such option
  expect(() => createBridge({ colour: 'red' })).toThrow(/there is no option colour/);
});
