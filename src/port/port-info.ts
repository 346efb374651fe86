/** What USB says of the device behind a port. */
export interface UsbIdentity {
  readonly usbVendorId: number;
  readonly usbProductId: number;
  readonly serialNumber?: string | undefined;
  readonly manufacturer?: string | undefined;
}

/** A serial port that exists on this machine. */
export interface PortInfo extends Partial<UsbIdentity> {
  /** What to open: `/dev/ttyACM0`, `/dev/cu.usbmodem101`, `COM3`. */
  readonly path: string;
  /** A name that survives re-plugging, where the system makes one: `/dev/serial/by-id/...`. */
  readonly byId?: string | undefined;
  /** Name of the board, when the USB identity belongs to a known one. */
  readonly board?: string | undefined;
  /** The USB identity is that of a board that runs OpenMV firmware. */
  readonly isCamera: boolean;
}

/** Where the system keeps its devices; elsewhere in tests. */
export interface SystemRoots {
  /** `/sys` */
  readonly sysRoot: string;
  /** `/dev` */
  readonly devRoot: string;
}

export const SYSTEM_ROOTS: SystemRoots = { sysRoot: '/sys', devRoot: '/dev' };
