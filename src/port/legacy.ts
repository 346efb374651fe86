/**
 * The debug protocol of firmware before 5, as far as it tells a camera that speaks it: its version is asked for, and
 * nothing else (vendor: usbdbg.h). A request is 0x30, the command, and the length of the reply as u32; the reply has no
 * frame around it. All numbers are little-endian.
 */

/** FW_VERSION, command 0x80, with a reply of 12 bytes. */
export const VERSION_REQUEST = Uint8Array.from([0x30, 0x80, 12, 0, 0, 0]);

const REPLY_SIZE = 12;
/** No part of a version is larger. */
const LARGEST_PART = 255;

/** The version in a reply to `VERSION_REQUEST`, such as `4.5.9`; undefined: the bytes are something else. */
export function legacyFirmware(reply: Buffer): string | undefined {
  if (reply.length !== REPLY_SIZE) return undefined;
  const parts = [reply.readUInt32LE(0), reply.readUInt32LE(4), reply.readUInt32LE(8)];
  const plausible = parts.every((part) => part <= LARGEST_PART) && parts.some((part) => part > 0);
  return plausible ? parts.join('.') : undefined;
}
