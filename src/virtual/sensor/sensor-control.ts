/** The controls of the virtual sensor by name, with the firmware's error numbers (common/omv_csi.h). */
import { FRAME_SIZES, PixelFormat } from '../../protocol/index.js';
import {
  BRIGHTNESS_LEVELS,
  CONTRAST_LEVELS,
  FRAMESIZE_CUSTOM,
  MAX_EXPOSURE_US,
  MAX_GAIN_DB,
  SATURATION_LEVELS,
  SENSOR_FORMATS,
  SENSOR_HEIGHT,
  SENSOR_WIDTH,
  type SensorSettings,
  SHARPNESS_LEVELS,
} from './sensor-settings.js';

export const CsiError = {
  NONE: 0,
  CONTROL_FAILED: -1,
  CAPTURE_FAILED: -10,
  INVALID_FRAMESIZE: -12,
  INVALID_PIXFORMAT: -13,
  INVALID_ARGUMENT: -16,
  PIXFORMAT_UNSUPPORTED: -17,
  FRAMEBUFFER_OVERFLOW: -19,
  WOULD_BLOCK: -21,
} as const;

const { NONE, CONTROL_FAILED, INVALID_ARGUMENT, PIXFORMAT_UNSUPPORTED } = CsiError;

/** A frame buffer chosen by the firmware: as many buffers as fit, three at most. */
const AUTO_FRAMEBUFFERS = 3;

const MIN_GAMMA = 0.1;
const MAX_GAMMA = 10;

type Setter = (settings: SensorSettings, first: number, second: number) => number;

/** Each returns 0 or an error number. */
const SETTERS: Readonly<Record<string, Setter>> = {
  shutdown: (settings, on) => {
    settings.off = on !== 0;
    return NONE;
  },
  sleep: (settings, on) => {
    settings.asleep = on !== 0;
    return NONE;
  },
  pixformat: (settings, format) => {
    if (format === settings.pixformat) return NONE;
    if (format === PixelFormat.JPEG && settings.windowed) return PIXFORMAT_UNSUPPORTED;
    if (!SENSOR_FORMATS.includes(format)) return CONTROL_FAILED;
    settings.pixformat = format;
    chooseFramebuffers(settings);
    return NONE;
  },
  framesize: (settings, framesize) => {
    if (framesize === settings.framesize) return NONE;
    const size = FRAME_SIZES.find(({ number }) => number === framesize);
    return size ? setFrame(settings, framesize, size.width, size.height) : CONTROL_FAILED;
  },
  custom: (settings, width, height) => setFrame(settings, FRAMESIZE_CUSTOM, width, height),
  framerate: (settings, rate) => {
    if (rate < 0) return INVALID_ARGUMENT;
    settings.framerate = rate;
    return NONE;
  },
  framebuffers: (settings, count) => {
    if (count < 1) return INVALID_ARGUMENT;
    if (count === settings.framebuffers) return NONE;
    if (settings.pixformat === 0) return CsiError.INVALID_PIXFORMAT;
    if (settings.framesize === 0) return CsiError.INVALID_FRAMESIZE;
    settings.framebuffers = count;
    return NONE;
  },
  brightness: (settings, level) => setLevel(settings, 'brightness', level, BRIGHTNESS_LEVELS),
  contrast: (settings, level) => setLevel(settings, 'contrast', level, CONTRAST_LEVELS),
  saturation: (settings, level) => setLevel(settings, 'saturation', level, SATURATION_LEVELS),
  sharpness: (settings, level) => {
    if (Math.abs(level) > SHARPNESS_LEVELS) return INVALID_ARGUMENT;
    settings.sharpness = level;
    return NONE;
  },
  gamma: (settings, _first, gamma) => {
    if (!(gamma >= MIN_GAMMA && gamma <= MAX_GAMMA)) return INVALID_ARGUMENT;
    settings.gamma = gamma;
    return NONE;
  },
  effect: (settings, effect) => {
    if (effect !== 0 && effect !== 1) return CONTROL_FAILED;
    settings.negative = effect === 1;
    return NONE;
  },
  ehdr_enable: (settings, on) => setEhdr(settings, 'enable', on),
  ehdr_exposure_min: (settings, frames) => setEhdr(settings, 'exposure_min', frames),
  ehdr_exposure_max: (settings, frames) => setEhdr(settings, 'exposure_max', frames),
  ehdr_ratio_min: (settings, ratio) => setEhdr(settings, 'ratio_min', ratio),
  ehdr_ratio_max: (settings, ratio) => setEhdr(settings, 'ratio_max', ratio),
  quality: (settings, quality) => {
    settings.quality = Math.max(1, quality);
    return NONE;
  },
  hmirror: (settings, on) => {
    settings.mirror = on !== 0;
    return NONE;
  },
  vflip: (settings, on) => {
    settings.flip = on !== 0;
    return NONE;
  },
  exposure: (settings, auto, microseconds) => {
    settings.autoExposure = auto !== 0;
    if (auto === 0 && microseconds >= 0) settings.exposureUs = Math.min(microseconds, MAX_EXPOSURE_US);
    return NONE;
  },
  gain: (settings, auto, db) => {
    settings.autoGain = auto !== 0;
    if (auto === 0 && Number.isFinite(db)) settings.gainDb = Math.max(0, Math.min(db, MAX_GAIN_DB));
    return NONE;
  },
  red: (settings, _auto, db) => setBalance(settings, 0, db),
  green: (settings, _auto, db) => setBalance(settings, 1, db),
  blue: (settings, _auto, db) => setBalance(settings, 2, db),
  balance: (settings, auto) => {
    settings.autoWhiteBalance = auto !== 0;
    return NONE;
  },
};

/** Sets a control. `-1` (control failed) for a name or value that the sensor does not know. */
export function setControl(settings: SensorSettings, name: string, first: number, second: number): number {
  return SETTERS[name]?.(settings, first, second) ?? CONTROL_FAILED;
}

const GETTERS: Readonly<Record<string, (settings: SensorSettings) => number>> = {
  width: (settings) => settings.width,
  height: (settings) => settings.height,
  pixformat: (settings) => settings.pixformat,
  framesize: (settings) => settings.framesize,
  framerate: (settings) => settings.framerate,
  framebuffers: (settings) => settings.framebuffers,
  x: (settings) => settings.window.x,
  y: (settings) => settings.window.y,
  w: (settings) => settings.window.w,
  h: (settings) => settings.window.h,
  hmirror: (settings) => Number(settings.mirror),
  vflip: (settings) => Number(settings.flip),
  exposure: (settings) => settings.exposureUs,
  gain: (settings) => settings.gainDb,
  sharpness: (settings) => settings.sharpness,
  gamma: (settings) => settings.gamma,
  ehdr_enable: (settings) => settings.ehdr.enable,
  ehdr_exposure_min: (settings) => settings.ehdr.exposure_min,
  ehdr_exposure_max: (settings) => settings.ehdr.exposure_max,
  ehdr_ratio_min: (settings) => settings.ehdr.ratio_min,
  ehdr_ratio_max: (settings) => settings.ehdr.ratio_max,
  red: (settings) => settings.rgbGainDb[0],
  green: (settings) => settings.rgbGainDb[1],
  blue: (settings) => settings.rgbGainDb[2],
};

/** Reads a control; 0 for a name that the sensor does not know. */
export function getControl(settings: SensorSettings, name: string): number {
  return GETTERS[name]?.(settings) ?? 0;
}

/** The rectangle lies within the frame. */
export function setWindow(settings: SensorSettings, x: number, y: number, w: number, h: number): number {
  const { window } = settings;
  if (window.x === x && window.y === y && window.w === w && window.h === h) return NONE;
  if (settings.pixformat === PixelFormat.JPEG) return PIXFORMAT_UNSUPPORTED;
  settings.window = { x, y, w, h };
  chooseFramebuffers(settings);
  return NONE;
}

function setFrame(settings: SensorSettings, framesize: number, width: number, height: number): number {
  if (width < 1 || height < 1 || width > SENSOR_WIDTH || height > SENSOR_HEIGHT) return CONTROL_FAILED;
  settings.setFrame(framesize, width, height);
  chooseFramebuffers(settings);
  return NONE;
}

/** The firmware chooses again each time the size of a frame may have changed. */
function chooseFramebuffers(settings: SensorSettings): void {
  if (settings.pixformat !== 0 && settings.framesize !== 0) settings.framebuffers = AUTO_FRAMEBUFFERS;
}

function setLevel(
  settings: SensorSettings,
  control: 'brightness' | 'contrast' | 'saturation',
  level: number,
  limit: number,
): number {
  if (Math.abs(level) > limit) return CONTROL_FAILED;
  settings[control] = level;
  return NONE;
}

function setEhdr(settings: SensorSettings, name: keyof SensorSettings['ehdr'], value: number): number {
  settings.ehdr[name] = value;
  return NONE;
}

function setBalance(settings: SensorSettings, channel: 0 | 1 | 2, db: number): number {
  if (Number.isFinite(db)) settings.rgbGainDb[channel] = Math.max(0, Math.min(db, MAX_GAIN_DB));
  return NONE;
}
