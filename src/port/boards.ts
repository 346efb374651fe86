/** USB's two common rates: full speed is 12 Mbit/s, high speed 480 Mbit/s. */
export type UsbSpeed = 'full' | 'high';

/** One board that runs OpenMV firmware, as its USB identity tells. */
export interface Board {
  readonly name: string;
  readonly usbVendorId: number;
  readonly usbProductId: number;
  /** Largest payload its packet buffer holds, in bytes; unknown for firmware older than the protocol. */
  readonly maxPayload?: number;
  readonly usbSpeed?: UsbSpeed;
}

/** The vendor's own USB id: every serial port under it belongs to a camera, listed below or newer than this list. */
export const OPENMV_VENDOR_ID = 0x37c5;

const ARDUINO_VENDOR_ID = 0x2341;

function board(vendor: number, product: number, name: string, maxPayload: number, usbSpeed: UsbSpeed): Board {
  return { name, usbVendorId: vendor, usbProductId: product, maxPayload, usbSpeed };
}

/** Known boards (vendor: board_config.mk and boot_config.h of each board; packet buffer size minus 14). */
export const BOARDS: readonly Board[] = [
  board(OPENMV_VENDOR_ID, 0x1202, 'OpenMV Cam M4', 498, 'full'),
  board(OPENMV_VENDOR_ID, 0x1203, 'OpenMV Cam M7', 498, 'full'),
  board(OPENMV_VENDOR_ID, 0x1204, 'OpenMV Cam H7', 498, 'full'),
  board(OPENMV_VENDOR_ID, 0x124a, 'OpenMV Cam H7 Plus', 4082, 'full'),
  board(OPENMV_VENDOR_ID, 0x1205, 'OpenMV Pure Thermal', 4082, 'full'),
  board(OPENMV_VENDOR_ID, 0x1060, 'OpenMV Cam RT1062', 4082, 'high'),
  board(OPENMV_VENDOR_ID, 0x1206, 'OpenMV Cam N6', 8178, 'high'),
  board(OPENMV_VENDOR_ID, 0x16e3, 'OpenMV Cam AE3', 8178, 'high'),
  board(ARDUINO_VENDOR_ID, 0x045b, 'Arduino Portenta H7', 4082, 'high'),
  board(ARDUINO_VENDOR_ID, 0x0466, 'Arduino Giga R1', 4082, 'high'),
  board(ARDUINO_VENDOR_ID, 0x045f, 'Arduino Nicla Vision', 4082, 'high'),
  { name: 'OpenMV Cam (older firmware)', usbVendorId: 0x1209, usbProductId: 0xabd1 },
];

/** The board of a USB identity. A product of OpenMV's own vendor id that is not listed gets a general name. */
export function boardOf(
  usbVendorId: number | undefined,
  usbProductId: number | undefined,
): Board | undefined {
  if (usbVendorId === undefined || usbProductId === undefined) return undefined;
  const known = BOARDS.find((one) => one.usbVendorId === usbVendorId && one.usbProductId === usbProductId);
  if (known || usbVendorId !== OPENMV_VENDOR_ID) return known;
  return { name: 'OpenMV Cam', usbVendorId, usbProductId };
}

/** A USB identity as people write it: `37c5:1206`. */
export function usbIdText(usbVendorId: number, usbProductId: number): string {
  const hex = (value: number) => value.toString(16).padStart(4, '0');
  return `${hex(usbVendorId)}:${hex(usbProductId)}`;
}
