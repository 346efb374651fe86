/**
 * JPEGs with their times as a Matroska stream (RFC 9559): the form in which GStreamer's own demultiplexer takes
 * frames from a pipe one by one, with times that encoders and file formats need.
 */

/** The size of an element that goes on until the stream ends (RFC 8794, section 6.2). */
const UNKNOWN_SIZE = Buffer.from('01ffffffffffffff', 'hex');
const TRACK = 1;
const VIDEO = 1;
/** Nanoseconds in one tick: times are in milliseconds. */
const TICK_NS = 1_000_000;
/** Track number, time relative to the cluster's, and the flag of a key frame. */
const BLOCK_HEAD = Buffer.from([0x80 | TRACK, 0, 0, 0x80]);

/** What a stream begins with; `width` and `height` in pixels. */
export function matroskaHead(width: number, height: number): Buffer {
  return Buffer.concat([
    element('1a45dfa3', element('4282', Buffer.from('matroska')), number('4287', 2), number('4285', 2)),
    Buffer.from('18538067', 'hex'),
    UNKNOWN_SIZE,
    element('1549a966', number('2ad7b1', TICK_NS)),
    element(
      '1654ae6b',
      element(
        'ae',
        number('d7', TRACK),
        number('73c5', TRACK),
        number('83', VIDEO),
        element('86', Buffer.from('V_MJPEG')),
        element('e0', number('b0', width), number('ba', height)),
      ),
    ),
  ]);
}

/** What stands before a frame of `bytes` bytes, `timeMs` after the first one. */
export function matroskaFrameHead(timeMs: number, bytes: number): Buffer {
  const time = number('e7', Math.max(0, Math.round(timeMs)));
  const block = Buffer.concat([Buffer.from('a3', 'hex'), size(BLOCK_HEAD.length + bytes), BLOCK_HEAD]);
  const cluster = Buffer.concat([Buffer.from('1f43b675', 'hex'), size(time.length + block.length + bytes)]);
  return Buffer.concat([cluster, time, block]);
}

function element(id: string, ...content: Buffer[]): Buffer {
  const data = Buffer.concat(content);
  return Buffer.concat([Buffer.from(id, 'hex'), size(data.length), data]);
}

function number(id: string, value: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE(BigInt(value));
  return element(id, data);
}

/** A size in eight bytes, the first bit of which says so. */
function size(bytes: number): Buffer {
  const data = Buffer.alloc(8);
  data.writeBigUInt64BE(BigInt(bytes) | (1n << 56n));
  return data;
}
