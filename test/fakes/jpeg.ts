/** Bytes that are a JPEG as far as markers go: SOI, comment, frame header, a scan of `size` bytes in all, EOI. */
export function fakeJpeg(number: number, size: number, width = 32, height = 24): Uint8Array {
  const bytes = new Uint8Array(size);
  let seed = number * 2_654_435_761;
  for (let i = 0; i < size; i++) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0;
    // No FF in the scan: nothing in it looks like a marker.
    bytes[i] = (seed >>> 24) % 0xff;
  }
  bytes.set([
    0xff,
    0xd8, // SOI
    0xff,
    0xfe,
    0x00,
    0x06,
    number >>> 24,
    number >>> 16,
    number >>> 8,
    number, // COM: the number
    0xff,
    0xc0,
    0x00,
    0x0b,
    0x08,
    height >>> 8,
    height,
    width >>> 8,
    width,
    0x01,
    0x01,
    0x11,
    0x00, // SOF0, one component
    0xff,
    0xda,
    0x00,
    0x08,
    0x01,
    0x01,
    0x00,
    0x00,
    0x3f,
    0x00, // SOS
  ]);
  bytes.set([0xff, 0xd9], size - 2);
  return bytes;
}
