/**
 * VizionStreamer's commands for the sensor (its SOCKET_API.md, commands 7 to 20), in its names and units, on top of
 * `camera.controls`.
 */
import { z } from 'zod';
import type { ControlSettings } from '../camera/controls-values.js';
import { BridgeError } from '../errors.js';
import { type Command, command, success, type Target } from './command.js';
import { choice, flag, ignoringInAuto, number, whole } from './parameters.js';

/** VizionStreamer's levels go from 0 to 255 around this; OpenMV's from -3 to 3 around 0. */
const MIDDLE = 128;
const LEVELS = 3;
/** VizionStreamer's exposure counts tenths of a millisecond, as V4L2's does. */
const EXPOSURE_US = 100;
/** Its gamma counts hundredths. */
const GAMMA_UNIT = 100;

const mode = choice(['auto', 'manual']);

const set = (target: Target, settings: ControlSettings): Promise<void> =>
  target.bridge.camera.controls.set(settings);

function needed<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value;
  throw new BridgeError('OPTION_INVALID', `parameter "${name}": it is missing; it is needed in manual mode`);
}

/** A level by `value`, 0 to 255, or by OpenMV's own `level`. */
function levelCommand(
  name: string,
  setting: 'brightness' | 'contrast' | 'saturation' | 'sharpness',
  title: string,
): Command {
  const params = z
    .strictObject({ value: whole(0, 255).optional(), level: whole(-4, 4).optional() })
    .refine(({ value, level }) => (value === undefined) !== (level === undefined), {
      message: 'parameter "value" (0 to 255, 128 is normal) or "level" (-4 to 4, 0 is normal) is needed',
    });
  return command(
    {
      name,
      usage: 'value=0..255 | level=-4..4',
      help: `${setting}; value 128 and level 0 are normal`,
      params,
    },
    async (target, { value = MIDDLE, level }) => {
      await set(target, { [setting]: level ?? Math.round(((value - MIDDLE) * LEVELS) / (255 - MIDDLE)) });
      return success(`${title} set successfully`);
    },
  );
}

function ehdrCommand(
  name: string,
  title: string,
  setting: 'exposureMin' | 'exposureMax' | 'ratioMin' | 'ratioMax',
  most: number,
): Command {
  return command(
    {
      name,
      usage: `value=1..${most}`,
      help: `eHDR ${title}`,
      params: z.strictObject({ value: whole(1, most) }),
    },
    async (target, { value }) => {
      await set(target, { ehdr: { [setting]: value } });
      return success(`eHDR ${title} set successfully`);
    },
  );
}

export const sensorCommands: readonly Command[] = [
  command(
    {
      name: 'set_exposure',
      usage: 'mode=auto|manual [value=1..10000 | exposure_us=MICROSECONDS]',
      help: 'exposure time; value counts 100 microseconds',
      params: ignoringInAuto(
        ['value', 'exposure_us'],
        z
          .strictObject({
            mode,
            value: number(1, 10_000).optional(),
            exposure_us: whole(1, 60_000_000).optional(),
          })
          .refine(({ value, exposure_us }) => value === undefined || exposure_us === undefined, {
            message: 'parameters "value" and "exposure_us" say the same thing: give one of them',
          }),
      ),
    },
    async (target, { mode: wanted, value, exposure_us }) => {
      const exposure =
        wanted === 'auto' ? wanted : (exposure_us ?? Math.round(needed(value, 'value') * EXPOSURE_US));
      await set(target, { exposure });
      return success('Exposure set successfully');
    },
  ),
  command(
    {
      name: 'set_whitebalance',
      usage: 'mode=auto|manual [temperature=KELVIN]',
      help: 'white balance; temperature is the colour temperature of the light',
      params: ignoringInAuto(
        ['temperature'],
        z.strictObject({ mode, temperature: number(1_500, 15_000).optional() }),
      ),
    },
    async (target, { mode: wanted, temperature }) => {
      const whiteBalance = wanted === 'auto' ? wanted : { temperature: needed(temperature, 'temperature') };
      await set(target, { whiteBalance });
      return success('White balance set successfully');
    },
  ),
  levelCommand('set_brightness', 'brightness', 'Brightness'),
  levelCommand('set_contrast', 'contrast', 'Contrast'),
  levelCommand('set_saturation', 'saturation', 'Saturation'),
  levelCommand('set_sharpness', 'sharpness', 'Sharpness'),
  command(
    {
      name: 'set_gamma',
      usage: 'value=72..500',
      help: 'gamma in hundredths; 100 is none',
      params: z.strictObject({ value: number(10, 1_000) }),
    },
    async (target, { value }) => {
      await set(target, { gamma: value / GAMMA_UNIT });
      return success('Gamma set successfully');
    },
  ),
  command(
    {
      name: 'set_gain',
      usage: 'value=0..100 | mode=auto',
      help: 'gain in dB, or left to the sensor',
      params: ignoringInAuto(
        ['value'],
        z.strictObject({ value: number(0, 100).optional(), mode: mode.optional() }),
      ),
    },
    async (target, { value, mode: wanted }) => {
      await set(target, { gain: wanted === 'auto' ? wanted : needed(value, 'value') });
      return success('Gain set successfully');
    },
  ),
  command(
    {
      name: 'set_ehdr_mode',
      usage: 'mode=0|1',
      help: 'eHDR: 0 switches it on, 1 off',
      params: z.strictObject({ mode: whole(0, 1) }),
    },
    async (target, { mode: off }) => {
      await set(target, { ehdr: { enable: off === 0 } });
      return success('eHDR mode set successfully');
    },
  ),
  ehdrCommand('set_ehdr_exposure_min', 'exposure min', 'exposureMin', 4),
  ehdrCommand('set_ehdr_exposure_max', 'exposure max', 'exposureMax', 4),
  ehdrCommand('set_ehdr_ratio_min', 'ratio min', 'ratioMin', 128),
  ehdrCommand('set_ehdr_ratio_max', 'ratio max', 'ratioMax', 128),
  command({ name: 'get_ehdr_status', help: 'all eHDR settings' }, async ({ bridge }) => {
    const { ehdr } = await bridge.camera.controls.get();
    if (!ehdr) throw new BridgeError('CAMERA_REFUSED', 'This camera has no eHDR');
    return {
      status: 'success',
      ehdr_mode: ehdr.enable ? 0 : 1,
      exposure_min: ehdr.exposureMin,
      exposure_max: ehdr.exposureMax,
      ratio_min: ehdr.ratioMin,
      ratio_max: ehdr.ratioMax,
    };
  }),
  command(
    {
      name: 'set_orientation',
      usage: '[mirror=true|false] [flip=true|false]',
      help: 'mirrored left to right, flipped upside down',
      params: z
        .strictObject({ mirror: flag().optional(), flip: flag().optional() })
        .refine(({ mirror, flip }) => mirror !== undefined || flip !== undefined, {
          message: 'parameter "mirror" or "flip" is needed: true or false',
        }),
    },
    async (target, { mirror, flip }) => {
      await set(target, { ...(mirror !== undefined && { mirror }), ...(flip !== undefined && { flip }) });
      return success('Orientation set successfully');
    },
  ),
  command(
    {
      name: 'set_effect',
      usage: 'effect=normal|negative',
      help: 'special effect of the sensor',
      params: z.strictObject({ effect: choice(['normal', 'negative']) }),
    },
    async (target, { effect }) => {
      await set(target, { effect });
      return success('Effect set successfully');
    },
  ),
  command(
    {
      name: 'set_quality',
      usage: 'value=1..100',
      help: 'JPEG quality',
      params: z.strictObject({ value: whole(1, 100) }),
    },
    async (target, { value }) => {
      await set(target, { quality: value });
      return success('Quality set successfully');
    },
  ),
  command(
    { name: 'get_settings', help: "all settings in OpenMV's own units; null: unknown or not there" },
    async ({ bridge }) => ({ status: 'success', settings: await bridge.camera.controls.get() }),
  ),
];
