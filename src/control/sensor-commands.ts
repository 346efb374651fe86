/**
 * VizionStreamer's commands for the sensor (its SOCKET_API.md, commands 7 to 20), in its names and units, on top of
 * `camera.controls`.
 */
import { z } from 'zod';
import type { ControlSettings } from '../camera/index.js';
import { BridgeError } from '../errors.js';
import { type Command, command, none } from './command.js';
import { choice, flag, ignoringInAuto, number, whole } from './parameters.js';

/** VizionStreamer's levels go from 0 to 255 around this; OpenMV's from -3 to 3 around 0. */
const MIDDLE = 128;
const LEVELS = 3;
/** VizionStreamer's exposure counts tenths of a millisecond, as V4L2's does. */
const EXPOSURE_US = 100;
/** Its gamma counts hundredths. */
const GAMMA_UNIT = 100;

const mode = choice(['auto', 'manual']).describe('auto leaves it to the sensor');

function needed<T>(value: T | undefined, name: string): T {
  if (value !== undefined) return value;
  throw new BridgeError('OPTION_INVALID', `parameter "${name}": it is missing; it is needed in manual mode`);
}

/** A command that makes settings; `title`: what its reply says was set. */
function setter<T>(
  name: string,
  title: string,
  usage: string,
  help: string,
  params: z.ZodType<T>,
  settings: (params: T) => ControlSettings,
): Command {
  return command(name, usage, help, params, async ({ bridge }, values) => {
    await bridge.camera.controls.set(settings(values));
    return `${title} set successfully`;
  });
}

/** A level by `value`, 0 to 255, or by OpenMV's own `level`. */
function levelSetter(setting: 'brightness' | 'contrast' | 'saturation' | 'sharpness'): Command {
  const title = `${setting.charAt(0).toUpperCase()}${setting.slice(1)}`;
  const params = z
    .strictObject({
      value: whole(0, 255).describe('128 is normal; or level').optional(),
      level: whole(-4, 4).describe("0 is normal, in OpenMV's own units; or value").optional(),
    })
    .refine(({ value, level }) => (value === undefined) !== (level === undefined), {
      message: 'parameter "value" (0 to 255, 128 is normal) or "level" (-4 to 4, 0 is normal) is needed',
    });
  const help = `${setting}; value 128 and level 0 are normal`;
  return setter(
    `set_${setting}`,
    title,
    'value=0..255 | level=-4..4',
    help,
    params,
    ({ value = MIDDLE, level }) => ({
      [setting]: level ?? Math.round(((value - MIDDLE) * LEVELS) / (255 - MIDDLE)),
    }),
  );
}

function ehdrSetter(
  name: string,
  setting: 'exposureMin' | 'exposureMax' | 'ratioMin' | 'ratioMax',
  most: number,
) {
  const title = `eHDR ${name.replace('_', ' ')}`;
  const params = z.strictObject({ value: whole(1, most) });
  return setter(`set_ehdr_${name}`, title, `value=1..${most}`, title, params, ({ value }) => ({
    ehdr: { [setting]: value },
  }));
}

const exposureParams = z
  .strictObject({
    mode,
    value: number(1, 10_000).describe('units of 100 microseconds; or exposure_us').optional(),
    exposure_us: whole(1, 60_000_000).describe('microseconds; or value').optional(),
  })
  .refine(({ value, exposure_us }) => value === undefined || exposure_us === undefined, {
    message: 'parameters "value" and "exposure_us" say the same thing: give one of them',
  });
const temperatureParams = z.strictObject({
  mode,
  temperature: number(1_500, 15_000).describe('kelvin; needed in manual mode').optional(),
});
const gainParams = z.strictObject({
  value: number(0, 100).describe('dB; needed unless the mode is auto').optional(),
  mode: mode.optional(),
});
const orientationParams = z
  .strictObject({
    mirror: flag().describe('left to right').optional(),
    flip: flag().describe('upside down').optional(),
  })
  .refine(({ mirror, flip }) => mirror !== undefined || flip !== undefined, {
    message: 'parameter "mirror" or "flip" is needed: true or false',
  });

export const sensorCommands: readonly Command[] = [
  setter(
    'set_exposure',
    'Exposure',
    'mode=auto|manual [value=1..10000 | exposure_us=MICROSECONDS]',
    'exposure time; value counts 100 microseconds',
    ignoringInAuto(['value', 'exposure_us'], exposureParams),
    ({ mode: wanted, value, exposure_us }) => ({
      exposure:
        wanted === 'auto' ? wanted : (exposure_us ?? Math.round(needed(value, 'value') * EXPOSURE_US)),
    }),
  ),
  setter(
    'set_whitebalance',
    'White balance',
    'mode=auto|manual [temperature=KELVIN]',
    'white balance; temperature is the colour temperature of the light',
    ignoringInAuto(['temperature'], temperatureParams),
    ({ mode: wanted, temperature }) => ({
      whiteBalance: wanted === 'auto' ? wanted : { temperature: needed(temperature, 'temperature') },
    }),
  ),
  levelSetter('brightness'),
  levelSetter('contrast'),
  levelSetter('saturation'),
  levelSetter('sharpness'),
  setter(
    'set_gamma',
    'Gamma',
    'value=72..500',
    'gamma in hundredths; 100 is none',
    z.strictObject({ value: number(10, 1_000).describe('hundredths; 100 is none') }),
    ({ value }) => ({ gamma: value / GAMMA_UNIT }),
  ),
  setter(
    'set_gain',
    'Gain',
    'value=0..100 | mode=auto',
    'gain in dB, or left to the sensor',
    ignoringInAuto(['value'], gainParams),
    ({ value, mode: wanted }) => ({ gain: wanted === 'auto' ? wanted : needed(value, 'value') }),
  ),
  setter(
    'set_ehdr_mode',
    'eHDR mode',
    'mode=0|1',
    'eHDR: 0 switches it on, 1 off',
    z.strictObject({ mode: whole(0, 1).describe('0: on, 1: off') }),
    ({ mode: off }) => ({ ehdr: { enable: off === 0 } }),
  ),
  ehdrSetter('exposure_min', 'exposureMin', 4),
  ehdrSetter('exposure_max', 'exposureMax', 4),
  ehdrSetter('ratio_min', 'ratioMin', 128),
  ehdrSetter('ratio_max', 'ratioMax', 128),
  command('get_ehdr_status', '', 'all eHDR settings', none, async ({ bridge }) => {
    const { ehdr } = await bridge.camera.controls.get();
    if (!ehdr) throw new BridgeError('CAMERA_REFUSED', 'This camera has no eHDR');
    return {
      ehdr_mode: ehdr.enable ? 0 : 1,
      exposure_min: ehdr.exposureMin,
      exposure_max: ehdr.exposureMax,
      ratio_min: ehdr.ratioMin,
      ratio_max: ehdr.ratioMax,
    };
  }),
  setter(
    'set_orientation',
    'Orientation',
    '[mirror=true|false] [flip=true|false]',
    'mirrored left to right, flipped upside down',
    orientationParams,
    ({ mirror, flip }) => ({ ...(mirror !== undefined && { mirror }), ...(flip !== undefined && { flip }) }),
  ),
  setter(
    'set_effect',
    'Effect',
    'effect=normal|negative',
    'special effect of the sensor',
    z.strictObject({ effect: choice(['normal', 'negative']) }),
    ({ effect }) => ({ effect }),
  ),
  setter(
    'set_quality',
    'Quality',
    'value=1..100',
    'JPEG quality',
    z.strictObject({ value: whole(1, 100).describe('1: small files, 100: fine pictures') }),
    ({ value }) => ({ quality: value }),
  ),
  command(
    'get_settings',
    '',
    "all settings in OpenMV's own units; null: unknown or not there",
    none,
    async ({ bridge }) => ({ settings: await bridge.camera.controls.get() }),
  ),
];
