/**
 * The contract between the device machine (`DeviceLink`) and what it serves: the channels of a camera and the
 * identity it answers with. Mirrors the vendor's `omv_protocol_channel_t` (protocol/omv_protocol_channel.h).
 */
import type { MemoryEntry, SystemInfo, VersionInfo } from '../../protocol/index.js';

/** One channel of the device. A method that is absent is answered as the vendor's firmware answers it. */
export interface DeviceChannel {
  /** At most 13 bytes of UTF-8. */
  readonly name: string;
  /** `ChannelFlag` bits. `DYNAMIC` channels get the first free id, others the id they are registered with. */
  readonly flags: number;
  poll?(): boolean;
  /** Bytes ready to be read; unsigned 32 bit. */
  size?(): number;
  /** At most four unsigned 32-bit integers; an empty list when the backend gave nothing usable. */
  shape?(): readonly number[];
  /**
   * The buffer a READ is answered from. The device sends exactly `length` bytes "from that pointer": what is
   * missing at the buffer's end is filled up as on the real device, with bytes that are not the caller's.
   * `undefined`: the backend raised or returned no buffer (NAK FAILED).
   */
  readp?(offset: number, length: number): Uint8Array | undefined;
  /** One piece of at most `length` bytes; `undefined` or empty: NAK FAILED. Called per 512-byte piece. */
  read?(offset: number, length: number): Uint8Array | undefined;
  /** 0 is answered NAK FAILED, everything else ACK (the vendor acknowledges even a write that raised). */
  write?(offset: number, data: Uint8Array): number;
  /**
   * Bytes of the argument of each ioctl that a built-in channel knows (vendor: OMV_PROTOCOL_CHANNEL_IOCTL_TABLE); others
   * are INVALID. Absent, as for a script's channel: all are passed on.
   */
  readonly ioctls?: ReadonlyMap<number, number>;
  /** 0 is answered ACK, everything else NAK FAILED. `argument` is empty when the request had none. */
  ioctl?(request: number, argument: Uint8Array): number;
  /** false: NAK BUSY. */
  lock?(): boolean;
  unlock?(): boolean;
}

/** What the device answers PROTO_VERSION, SYS_INFO and SYS_MEMORY with, and what SYS_RESET / SYS_BOOT do. */
export interface DeviceIdentity {
  version(): VersionInfo;
  systemInfo(): SystemInfo;
  memory(): readonly MemoryEntry[];
  reset(kind: 'reset' | 'bootloader'): void;
}

export interface DeviceLinkOptions {
  readonly identity: DeviceIdentity;
  /** Largest payload the device's buffer holds: its packet buffer minus 14. */
  readonly maxPayload: number;
  /**
   * Least time in milliseconds from the ACK that completes a reply to the next request, which waits for so long: the
   * script runs meanwhile. Default: 0.
   */
  readonly restMs?: number;
  /** Bytes for the host, one packet a call, valid only during the call. */
  transmit(packet: Uint8Array): void;
}
