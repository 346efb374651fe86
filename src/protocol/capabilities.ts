/** What both ends agree on: the payload of GET_CAPS and SET_CAPS. */
import { blank, viewOf } from './payload-view.js';

export interface Capabilities {
  readonly crc: boolean;
  readonly sequence: boolean;
  readonly ack: boolean;
  readonly events: boolean;
  /** Bytes. */
  readonly maxPayload: number;
}

export const CAPS_SIZE = 16;

const CAPS_CRC = 1;
const CAPS_SEQUENCE = 2;
const CAPS_ACK = 4;
const CAPS_EVENTS = 8;

export function encodeCaps(caps: Capabilities): Uint8Array {
  const [bytes, view] = blank(CAPS_SIZE);
  view.setUint32(
    0,
    (caps.crc ? CAPS_CRC : 0) |
      (caps.sequence ? CAPS_SEQUENCE : 0) |
      (caps.ack ? CAPS_ACK : 0) |
      (caps.events ? CAPS_EVENTS : 0),
    true,
  );
  view.setUint16(4, caps.maxPayload, true);
  return bytes;
}

export function decodeCaps(payload: Uint8Array): Capabilities {
  const view = viewOf(payload, CAPS_SIZE, 'capabilities');
  const flags = view.getUint32(0, true);
  return {
    crc: (flags & CAPS_CRC) !== 0,
    sequence: (flags & CAPS_SEQUENCE) !== 0,
    ack: (flags & CAPS_ACK) !== 0,
    events: (flags & CAPS_EVENTS) !== 0,
    maxPayload: view.getUint16(4, true),
  };
}
