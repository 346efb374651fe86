/**
 * Frame sizes and pixel formats with the numbers that the vendor's firmware gives them (common/omv_csi.h,
 * lib/imlib/imlib.h), and the names under which its `csi` module offers them (modules/py_csi_ng.c).
 */

/** In the firmware's order from 2 on; 0 is "not set", 1 a size of the script's own. Names in lower case have no constant in `csi`. */
const SIZES: readonly (readonly [name: string, width: number, height: number])[] = [
  ['qqcif', 88, 72],
  ['QCIF', 176, 144],
  ['CIF', 352, 288],
  ['qqsif', 88, 60],
  ['QSIF', 176, 120],
  ['SIF', 352, 240],
  ['qqqqvga', 40, 30],
  ['QQQVGA', 80, 60],
  ['QQVGA', 160, 120],
  ['QVGA', 320, 240],
  ['VGA', 640, 480],
  ['hqqqqvga', 30, 20],
  ['hqqqvga', 60, 40],
  ['hqqvga', 120, 80],
  ['HQVGA', 240, 160],
  ['HVGA', 480, 320],
  ['64x32', 64, 32],
  ['64x64', 64, 64],
  ['128x64', 128, 64],
  ['128x128', 128, 128],
  ['160x160', 160, 160],
  ['320x320', 320, 320],
  ['lcd', 128, 160],
  ['qqvga2', 128, 160],
  ['WVGA', 720, 480],
  ['WVGA2', 752, 480],
  ['SVGA', 800, 600],
  ['XGA', 1024, 768],
  ['WXGA', 1280, 768],
  ['SXGA', 1280, 1024],
  ['SXGAM', 1280, 960],
  ['UXGA', 1600, 1200],
  ['HD', 1280, 720],
  ['FHD', 1920, 1080],
  ['QHD', 2560, 1440],
  ['QXGA', 2048, 1536],
  ['WQXGA', 2560, 1600],
  ['WQXGA2', 2592, 1944],
];

export interface FrameSize {
  readonly name: string;
  /** The firmware's. */
  readonly number: number;
  /** Pixels. */
  readonly width: number;
  readonly height: number;
}

export const FRAME_SIZES: readonly FrameSize[] = SIZES.map(([name, width, height], index) => ({
  name,
  number: index + 2,
  width,
  height,
}));

/** Those with a constant in `csi`. */
export const NAMED_FRAME_SIZES = FRAME_SIZES.filter(({ name }) => name === name.toUpperCase());

export const PixelFormat = {
  BINARY: 0x08010000,
  GRAYSCALE: 0x08020001,
  RGB565: 0x0c030002,
  BAYER: 0x05040001,
  YUV422: 0x14050002,
  JPEG: 0x06060000,
} as const;
