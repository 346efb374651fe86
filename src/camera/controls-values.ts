/** A camera's settings in OpenMV's own units: what may be set, and what the camera says of itself. */
import { z } from 'zod';
import { NAMED_FRAME_SIZES, PixelFormat } from '../protocol/index.js';

/** Named frame sizes of the module `csi` (modules/py_csi_ng.c), in pixels. */
export const FRAME_SIZES = NAMED_FRAME_SIZES;

export const PIXEL_FORMATS = ['rgb565', 'grayscale', 'yuv422', 'bayer'] as const;
export type PixelFormatName = (typeof PIXEL_FORMATS)[number];

/** No sensor has more levels to either side; one that has fewer refuses what is beyond them. */
const level = z.int().min(-4).max(4);
/** No sensor has as much; one that has less takes what it has, or refuses. */
const decibels = z.number().min(0).max(100);
const frames = z.int().min(1).max(4);
const ratio = z.int().min(1).max(128);

/** What `set` takes; every part is optional. */
export const controlSettingsSchema = z.strictObject({
  pixformat: z.enum(PIXEL_FORMATS).optional(),
  /** A name of the module `csi`, such as VGA, or pixels, for sensors that take any size. */
  framesize: z
    .union([
      z.enum(FRAME_SIZES.map(({ name }) => name)),
      z.strictObject({ width: z.int().min(8).max(5_000), height: z.int().min(8).max(5_000) }),
    ])
    .optional(),
  /** JPEG quality, 1 (small) to 100 (fine). */
  quality: z.int().min(1).max(100).optional(),
  /** Frames per second that the sensor is limited to. */
  framerate: z.int().min(1).max(1_000).optional(),
  /** Microseconds, or left to the sensor. */
  exposure: z.union([z.literal('auto'), z.int().min(1).max(60_000_000)]).optional(),
  /** dB, or left to the sensor. */
  gain: z.union([z.literal('auto'), decibels]).optional(),
  /**
   * Gains of red, green and blue in dB; a colour temperature of the light in kelvin, which becomes such gains; or left
   * to the sensor.
   */
  whiteBalance: z
    .union([
      z.literal('auto'),
      z.tuple([decibels, decibels, decibels]),
      z.strictObject({ temperature: z.number().min(1_500).max(15_000) }),
    ])
    .optional(),
  brightness: level.optional(),
  contrast: level.optional(),
  saturation: level.optional(),
  sharpness: level.optional(),
  /** Above 1: middle tones are lifted. */
  gamma: z.number().min(0.1).max(10).optional(),
  effect: z.enum(['normal', 'negative']).optional(),
  mirror: z.boolean().optional(),
  flip: z.boolean().optional(),
  /** Several exposures in one frame: how many at least and at most, and the ratio between them. */
  ehdr: z
    .strictObject({
      enable: z.boolean().optional(),
      exposureMin: frames.optional(),
      exposureMax: frames.optional(),
      ratioMin: ratio.optional(),
      ratioMax: ratio.optional(),
    })
    .optional(),
});

export type ControlSettings = z.input<typeof controlSettingsSchema>;
/** Settings whose ranges have been checked. */
export type CheckedSettings = z.output<typeof controlSettingsSchema>;

const number = z.number().nullable();
const flag = z.boolean().nullable();

const ehdrReply = z.object({
  enable: z.boolean(),
  exposure_min: z.number(),
  exposure_max: z.number(),
  ratio_min: z.number(),
  ratio_max: z.number(),
});

/** `values` of the script's reply to "get". */
export const replyValuesSchema = z
  .object({
    pixformat: number,
    width: z.number(),
    height: z.number(),
    framerate: number,
    exposure: z.object({ auto: flag, us: number }),
    gain: z.object({ auto: flag, db: number }),
    whitebalance: z.object({ auto: flag, rgb: z.tuple([z.number(), z.number(), z.number()]).nullable() }),
    quality: z.number(),
    brightness: number,
    contrast: number,
    saturation: number,
    sharpness: number,
    gamma: number,
    effect: z.string().nullable(),
    mirror: flag,
    flip: flag,
    ehdr: ehdrReply.nullable(),
  })
  .transform(({ pixformat, whitebalance, effect, ehdr, ...rest }) => ({
    ...rest,
    pixformat: formatName(pixformat),
    whiteBalance: { auto: whitebalance.auto, rgbDb: whitebalance.rgb },
    effect: effect === null ? null : effect.toLowerCase(),
    ehdr: ehdr && {
      enable: ehdr.enable,
      exposureMin: ehdr.exposure_min,
      exposureMax: ehdr.exposure_max,
      ratioMin: ehdr.ratio_min,
      ratioMax: ehdr.ratio_max,
    },
  }));

/** A camera's settings; null: the sensor does not have it, does not say, or begins with a value of its own. */
export type ControlValues = z.output<typeof replyValuesSchema>;

function formatName(pixformat: number | null): string | null {
  if (pixformat === null) return null;
  const known = Object.entries(PixelFormat).find(([, value]) => value === pixformat);
  return known ? known[0].toLowerCase() : `0x${pixformat.toString(16)}`;
}

/** The settings as the script's request has them. */
export function requestSettings(settings: CheckedSettings): Record<string, unknown> {
  const { pixformat, framesize, exposure, gain, whiteBalance, effect, ehdr, ...plain } = settings;
  const request: Record<string, unknown> = { ...plain };
  if (pixformat !== undefined) request['pixformat'] = pixformat.toUpperCase();
  if (framesize !== undefined) {
    request['framesize'] = typeof framesize === 'string' ? framesize : [framesize.width, framesize.height];
  }
  if (exposure !== undefined) request['exposure'] = exposure === 'auto' ? null : exposure;
  if (gain !== undefined) request['gain'] = gain === 'auto' ? null : gain;
  if (whiteBalance !== undefined) request['whitebalance'] = balanceRequest(whiteBalance);
  if (effect !== undefined) request['effect'] = effect.toUpperCase();
  if (ehdr !== undefined) {
    const { enable, exposureMin, exposureMax, ratioMin, ratioMax } = ehdr;
    request['ehdr'] = {
      enable,
      exposure_min: exposureMin,
      exposure_max: exposureMax,
      ratio_min: ratioMin,
      ratio_max: ratioMax,
    };
  }
  return request;
}

function balanceRequest(balance: NonNullable<CheckedSettings['whiteBalance']>): unknown {
  if (balance === 'auto') return null;
  if (Array.isArray(balance)) return { rgb: balance };
  return { shift: temperatureShift(balance.temperature) };
}

/** The light at which automatic white balance is taken to stand when a temperature is first set. */
const REFERENCE_KELVIN = 5_000;
/** Second radiation constant, in nanometre kelvin. */
const RADIATION_CONSTANT = 1.4388e7;
/** Wavelengths at which a sensor's red, green and blue pixels see most, in nanometres. */
const WAVELENGTHS = [600, 540, 460] as const;

/**
 * How much the gains of red, green and blue change, in dB, from light of 5000 K to light of that temperature: a
 * black body's spectrum (Planck's law) at the three colours, held even.
 */
export function temperatureShift(kelvin: number): [red: number, green: number, blue: number] {
  const radiance = (nanometres: number, temperature: number): number =>
    1 / Math.expm1(RADIATION_CONSTANT / (nanometres * temperature));
  const [red, green, blue] = WAVELENGTHS.map(
    (wave) => 20 * Math.log10(radiance(wave, REFERENCE_KELVIN) / radiance(wave, kelvin)),
  );
  const round = (value: number): number => Math.round(value * 100) / 100;
  return [round(red! - green!), 0, round(blue! - green!)];
}
