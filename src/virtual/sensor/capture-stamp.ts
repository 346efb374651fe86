/**
 * Makes each JPEG unique, although pictures repeat: a comment segment (COM, behind SOI) has the capture's number and
 * time. Two captures never have the same bytes, so a frame that arrives can be told from every other.
 */
const HEAD = 'openmv-bridge virtual camera, capture ';
const MIDDLE = ', time ';
const NUMBER_DIGITS = 10;
const TIME_DIGITS = 13;

const SOI_SIZE = 2;
const TEXT_SIZE = HEAD.length + NUMBER_DIGITS + MIDDLE.length + TIME_DIGITS;
const NUMBER_AT = SOI_SIZE + 4 + HEAD.length;
const TIME_AT = NUMBER_AT + NUMBER_DIGITS + MIDDLE.length;

/** Bytes that a stamp adds to a JPEG. */
export const STAMP_SIZE = 4 + TEXT_SIZE;

/** SOI and the segment, its digits to be filled in. */
const TEMPLATE = Uint8Array.from([
  0xff,
  0xd8,
  0xff,
  0xfe,
  (TEXT_SIZE + 2) >> 8,
  (TEXT_SIZE + 2) & 0xff,
  ...new TextEncoder().encode(HEAD + '0'.repeat(NUMBER_DIGITS) + MIDDLE + '0'.repeat(TIME_DIGITS)),
]);

/**
 * Writes `jpeg` with its stamp to the beginning of `target`, which must have room for STAMP_SIZE more bytes.
 * `time` in Unix milliseconds. Returns the bytes written.
 */
export function stampJpeg(target: Uint8Array, jpeg: Uint8Array, capture: number, time: number): number {
  target.set(TEMPLATE);
  writeDigits(target, NUMBER_AT, NUMBER_DIGITS, capture);
  writeDigits(target, TIME_AT, TIME_DIGITS, time);
  target.set(jpeg.subarray(SOI_SIZE), TEMPLATE.length);
  return jpeg.length + STAMP_SIZE;
}

function writeDigits(target: Uint8Array, at: number, digits: number, value: number): void {
  let rest = Math.floor(value);
  for (let place = at + digits - 1; place >= at; place--) {
    target[place] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}
