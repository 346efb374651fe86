/**
 * What several cameras of a run have in common would be one name in shared memory, and one virtual camera: each has a number
 * behind it. At the start that is its place; a camera that stays keeps it when others come and go.
 */
import { isDeepStrictEqual } from 'node:util';
import { type BridgeInput, bridgeOptionsSchema } from '../options/index.js';

/** A camera as flags and file have it. */
export interface ConfiguredCamera {
  /** Before anything is numbered. */
  readonly input: BridgeInput;
  /** Options that are meant for this camera alone. */
  readonly own: ReadonlySet<string>;
}

export interface NumberedCamera extends ConfiguredCamera {
  /** From 1. */
  readonly number: number;
}

/** Gives each camera the number that it had `before`, and others the lowest that are free. */
export function numbered(
  cameras: readonly ConfiguredCamera[],
  before: readonly NumberedCamera[],
): NumberedCamera[] {
  const left = [...before];
  const numbers: (number | undefined)[] = cameras.map(() => undefined);
  const match = (same: (one: BridgeInput, other: BridgeInput) => boolean): void => {
    for (const [index, { input }] of cameras.entries()) {
      const found = numbers[index] === undefined ? left.findIndex((one) => same(one.input, input)) : -1;
      if (found >= 0) numbers[index] = left.splice(found, 1)[0]!.number;
    }
  };
  match(isDeepStrictEqual);
  // One whose options changed.
  match((one, other) => (one.cameraId ?? one.port) === (other.cameraId ?? other.port));
  const free = (): number => {
    for (let number = 1; ; number++) if (!numbers.includes(number)) return number;
  };
  return cameras.map((camera, index) => {
    const number = numbers[index] ?? free();
    numbers[index] = number;
    return { ...camera, number };
  });
}

/** A camera's options, with its number in what it shares with others. */
export function numberedInput({ input, own, number }: NumberedCamera): BridgeInput {
  if (number === 1) return input;
  const named = { ...input };
  const { shmName } = bridgeOptionsSchema.shape;
  for (const name of ['shmName', 'ring', 'arrays'] as const) {
    const value = input[name] ?? (name === 'shmName' ? shmName.parse(undefined) : undefined);
    if (value !== undefined && !own.has(name)) named[name] = `${value}_${number}`;
  }
  if (input.port === 'virtual' && !own.has('virtual.id')) {
    const first = input.virtual?.id ?? 1;
    named.virtual = { ...input.virtual, id: first + number - 1 };
  }
  return named;
}
