/** Names and numbers that the module `csi` offers. */
import { NAMED_FRAME_SIZES, PixelFormat } from '../../../protocol/index.js';

/** Chip ids of the sensors the firmware knows (common/omv_csi.h), for scripts that compare them. */
const SENSOR_IDS = {
  OV2640: 0x26,
  OV5640: 0x56,
  OV7670: 0x76,
  OV7690: 0x76,
  OV7725: 0x77,
  OV9650: 0x96,
  MT9V022: 0x1313,
  MT9V024: 0x1324,
  MT9V032: 0x1313,
  MT9V034: 0x1324,
  MT9M114: 0x2481,
  BOSON320: 0xae32,
  BOSON640: 0xae64,
  LEPTON: 0x54,
  HM01B0: 0xb0,
  HM0360: 0x60,
  GC2145: 0x21,
  PAG7920: 0x7920,
  PAG7936: 0x7936,
  PAJ6100: 0x6100,
  FROGEYE2020: 0x2020,
  SOFTCSI: 0x50f7,
} as const;

/** The sensor that the virtual camera has. */
export const SENSOR_ID = SENSOR_IDS.OV5640;

/** The constants of `csi` as Python. */
export const CSI_CONSTANTS = [
  ...Object.entries(SENSOR_IDS),
  ...Object.entries(PixelFormat),
  ...NAMED_FRAME_SIZES.map(({ name, number }) => [name, number] as const),
]
  .map(([name, value]) => `${name} = ${value}`)
  .join('\n');
