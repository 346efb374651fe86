/**
 * The numbers of the OpenMV Protocol, version 1.0.2 (vendor: protocol/omv_protocol.h, omv_protocol_channel.h).
 */

/** First two bytes of every packet, 0xD5AA little-endian. */
export const SYNC_BYTE_0 = 0xaa;
export const SYNC_BYTE_1 = 0xd5;

export const HEADER_SIZE = 10;
export const PAYLOAD_CRC_SIZE = 4;
/** Bytes a packet has beside its payload. */
export const PACKET_OVERHEAD = HEADER_SIZE + PAYLOAD_CRC_SIZE;

/** Smallest payload limit a device accepts (a 64-byte packet minus its overhead). */
export const DEVICE_MIN_PAYLOAD = 50;
/** Smallest payload limit a host asks for; the vendor's hosts use the same. */
export const HOST_MIN_PAYLOAD = 52;
/** Largest payload the length field can express. */
export const MAX_PAYLOAD_FIELD = 0xffff;

export const MAX_CHANNELS = 32;
/** Bytes of a channel's name on the wire, its closing NUL included. */
export const CHANNEL_NAME_SIZE = 14;

/** The rate that, with DTR high, selects the protocol instead of the MicroPython REPL. */
export const PROTOCOL_BAUDRATE = 921600;

export const Flag = { ACK: 1, NAK: 2, RTX: 4, ACK_REQ: 8, FRAGMENT: 16, EVENT: 32 } as const;

export const Opcode = {
  PROTO_SYNC: 0x00,
  PROTO_GET_CAPS: 0x01,
  PROTO_SET_CAPS: 0x02,
  PROTO_STATS: 0x03,
  PROTO_VERSION: 0x04,
  SYS_RESET: 0x10,
  SYS_BOOT: 0x11,
  SYS_INFO: 0x12,
  SYS_EVENT: 0x13,
  SYS_MEMORY: 0x14,
  CHANNEL_LIST: 0x20,
  CHANNEL_POLL: 0x21,
  CHANNEL_LOCK: 0x22,
  CHANNEL_UNLOCK: 0x23,
  CHANNEL_SHAPE: 0x24,
  CHANNEL_SIZE: 0x25,
  CHANNEL_READ: 0x26,
  CHANNEL_WRITE: 0x27,
  CHANNEL_IOCTL: 0x28,
  CHANNEL_EVENT: 0x29,
} as const;

export const Status = {
  SUCCESS: 0,
  FAILED: 1,
  INVALID: 2,
  TIMEOUT: 3,
  BUSY: 4,
  CHECKSUM: 5,
  SEQUENCE: 6,
  OVERFLOW: 7,
  FRAGMENT: 8,
  UNKNOWN: 9,
} as const;

/** Event numbers on channel 0. */
export const SystemEvent = {
  CHANNEL_REGISTERED: 0,
  CHANNEL_UNREGISTERED: 1,
  SOFT_REBOOT: 2,
  /** Sent without a payload. */
  NOTIFY: 0xffff,
} as const;

export const ChannelFlag = {
  READ: 1,
  WRITE: 2,
  EXEC: 4,
  LOCK: 8,
  STREAM: 16,
  DYNAMIC: 32,
  PHYSICAL: 64,
} as const;

/** Ids of the channels that every device has. */
export const ChannelId = { TRANSPORT: 0, STDIN: 1, STDOUT: 2, STREAM: 3, PROFILE: 4 } as const;

export const StdinIoctl = { STOP: 1, EXEC: 2, RESET: 3 } as const;
export const StreamIoctl = { ENABLE: 0, RAW_ENABLE: 1, RAW_CONFIG: 2, SOURCE: 3 } as const;

/** Event numbers of the stdin channel. */
export const StdinEvent = { STOPPED: 0, STARTED: 1 } as const;

function nameOf(table: Readonly<Record<string, number>>, value: number): string {
  for (const [name, number] of Object.entries(table)) if (number === value) return name;
  return `0x${value.toString(16).padStart(2, '0')}`;
}

/** Name of an opcode for people, its hexadecimal number when it has none. */
export const opcodeName = (opcode: number): string => nameOf(Opcode, opcode);

/** Name of a NAK's status for people. */
export const statusName = (status: number): string => nameOf(Status, status);
