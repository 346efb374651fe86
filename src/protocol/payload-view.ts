/** What the codecs of all payloads share: a view that is known to be long enough, and blank bytes to fill. */
import { BridgeError } from '../errors.js';

/** A view of a payload that must have at least `size` bytes. */
export function viewOf(payload: Uint8Array, size: number, what: string): DataView {
  if (payload.length < size) {
    throw new BridgeError(
      'CAMERA_PROTOCOL',
      `The camera's ${what} has ${payload.length} bytes, at least ${size} expected: its firmware speaks another version of the protocol. Update the camera's firmware to 5.x.`,
      { context: { structure: what, length: payload.length, expected: size } },
    );
  }
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
}

/** Zeroed bytes and a view of them. */
export function blank(size: number): [Uint8Array, DataView] {
  const bytes = new Uint8Array(size);
  return [bytes, new DataView(bytes.buffer)];
}
