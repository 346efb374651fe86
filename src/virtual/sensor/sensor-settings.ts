/**
 * The registers of the virtual image sensor: what a script has set, with the limits of the OV5640 that it poses
 * as, and what a picture taken with these settings looks like.
 */
import { PixelFormat } from '../../protocol/index.js';
import type { ColourMatrix, Tone } from '../pictures/picture-spec.js';

/** Numbers of frame sizes that stand for none, and for one of the script's own. */
const FRAMESIZE_INVALID = 0;
export const FRAMESIZE_CUSTOM = 1;

/** The sensor's own resolution: no frame is larger. */
export const SENSOR_WIDTH = 2592;
export const SENSOR_HEIGHT = 1944;
/** What the sensor delivers; the others are refused as a sensor refuses what it cannot do. */
export const SENSOR_FORMATS: readonly number[] = [
  PixelFormat.GRAYSCALE,
  PixelFormat.RGB565,
  PixelFormat.BAYER,
  PixelFormat.YUV422,
  PixelFormat.JPEG,
];

/** Levels go from minus to plus this (drivers/sensors/ov5640.c). */
export const BRIGHTNESS_LEVELS = 4;
export const CONTRAST_LEVELS = 3;
export const SATURATION_LEVELS = 3;
export const SHARPNESS_LEVELS = 3;

/** What automatic exposure, gain and white balance arrive at in front of this scene. */
export const AUTO_EXPOSURE_US = 10_000;
export const AUTO_GAIN_DB = 6;
export const AUTO_RGB_GAIN_DB = [5, 0, 4] as const;

export const MAX_EXPOSURE_US = 1_000_000;
/** 10-bit gain register in sixteenths. */
export const MAX_GAIN_DB = 36;

/** Weights of red, green and blue in brightness (ITU-R BT.601). */
const LUMA = [0.299, 0.587, 0.114] as const;
/** A picture brighter than this many times the normal one is white all over anyway. */
const MAX_FACTOR = 16;

export class SensorSettings {
  pixformat = 0;
  framesize = FRAMESIZE_INVALID;
  /** Dimensions of `framesize`, before windowing. */
  width = 0;
  height = 0;
  window = { x: 0, y: 0, w: 0, h: 0 };
  framebuffers = 0;
  /** 0: not set. */
  framerate = 0;
  brightness = 0;
  contrast = 0;
  saturation = 0;
  /** JPEG quality of the sensor's own encoder. */
  quality = 80;
  mirror = false;
  flip = false;
  autoExposure = true;
  exposureUs = AUTO_EXPOSURE_US;
  autoGain = true;
  gainDb = AUTO_GAIN_DB;
  autoWhiteBalance = true;
  rgbGainDb: [number, number, number] = [...AUTO_RGB_GAIN_DB];
  sharpness = 0;
  /** 1: none. */
  gamma = 1;
  negative = false;
  /** Several exposures in one picture: how many at least and at most, and the ratio between them. */
  ehdr = { enable: 0, exposure_min: 1, exposure_max: 4, ratio_min: 12, ratio_max: 24 };
  asleep = false;
  off = false;

  get windowed(): boolean {
    const { x, y, w, h } = this.window;
    return x !== 0 || y !== 0 || w !== this.width || h !== this.height;
  }

  setFrame(framesize: number, width: number, height: number): void {
    this.framesize = framesize;
    this.width = width;
    this.height = height;
    this.window = { x: 0, y: 0, w: width, h: height };
  }

  /** How the scene's colours come out: automatic controls hold the picture as it is, manual ones change it. */
  colours(): { matrix: ColourMatrix; offset: number } {
    const contrast = 1 + this.contrast * 0.22;
    const saturation = 1 + this.saturation * 0.3;
    const gains = this.rgbGainDb.map((db, channel) =>
      this.autoWhiteBalance ? 1 : fromDb(db - AUTO_RGB_GAIN_DB[channel]!),
    );
    const light = this.#light();
    const matrix: number[] = [];
    for (let to = 0; to < 3; to++) {
      for (let from = 0; from < 3; from++) {
        const kept = (from === to ? saturation : 0) + LUMA[from]! * (1 - saturation);
        matrix.push(round(kept * gains[from]! * light * contrast));
      }
    }
    const offset = round(128 * (1 - contrast) + this.brightness * 24);
    return { matrix: matrix as unknown as ColourMatrix, offset };
  }

  /** What happens to each pixel beyond its colours; undefined: nothing. */
  tone(): Tone | undefined {
    const { sharpness, gamma, negative, ehdr } = this;
    if (sharpness === 0 && gamma === 1 && !negative && ehdr.enable === 0) return undefined;
    // The wider the exposures are apart, the more the shadows are lifted.
    const span = Math.log2(ehdr.ratio_min) + Math.log2(ehdr.ratio_max);
    const lift = ehdr.enable === 0 ? 0 : 0.01 * span * (ehdr.exposure_min + 2 * ehdr.exposure_max);
    return { sharpness, gamma: round(gamma * (1 + lift)), negative };
  }

  /** With automatic exposure or gain at work the picture keeps its brightness. */
  #light(): number {
    if (this.autoExposure) return 1;
    const gain = this.autoGain ? 1 : fromDb(this.gainDb - AUTO_GAIN_DB);
    return Math.min(MAX_FACTOR, (this.exposureUs / AUTO_EXPOSURE_US) * gain);
  }
}

const fromDb = (db: number): number => 10 ** (db / 20);
const round = (value: number): number => Math.round(value * 1e4) / 1e4;
