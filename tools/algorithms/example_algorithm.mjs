#!/usr/bin/env node
/**
 * An example algorithm: looks at each picture's JPEG and says OK or NG. Node 20 or newer, nothing to install.
 *
 *     openmv-bridge --port virtual -- node example_algorithm.mjs
 *
 * The rule needs no image decoding: a picture of the same scene takes about the same number of bytes each time. One
 * that takes far more or far fewer shows something else (a covered lens, no light, a part that is missing), and is NG.
 */
import { Console } from 'node:console';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';

/**
 * A picture is NG when its size in bytes is more than this share away from the running mean. The user parameter
 * "max_deviation" goes before it. 1.35 % suits the steady scene of the virtual camera: about one of its pictures in 24
 * is NG. Pictures of a real camera vary more; begin with 0.1.
 */
const MAX_DEVIATION = 0.0135;
/** How much one picture moves the mean: about the last 1 / WEIGHT pictures count. */
const WEIGHT = 0.1;
/** Pictures of a camera that only teach the mean, and are OK. */
const WARM_UP = 5;

/** The longest message either side may send. */
const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;

// stdout carries messages and nothing else: a stray console.log() goes to the log instead of breaking the protocol.
globalThis.console = new Console(process.stderr);

/** The picture cannot be judged; there must be no verdict about it. */
class ImageError extends Error {}

// --- messages: a 4-byte big-endian length, then JSON ---------------------------------------------------------------

function send(message) {
  const body = Buffer.from(JSON.stringify(message));
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(body.length);
  return new Promise((written) => process.stdout.write(Buffer.concat([prefix, body]), written));
}

/** Messages until the end of the input. */
async function* receive() {
  let pending = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 4) {
      const length = pending.readUInt32BE(0);
      if (length === 0 || length > MAX_MESSAGE_BYTES) throw new Error(`a message of ${length} bytes`);
      if (pending.length < 4 + length) break;
      const body = pending.subarray(4, 4 + length);
      pending = pending.subarray(4 + length);
      yield JSON.parse(body.toString('utf8'));
    }
  }
}

function log(level, message, fields = {}) {
  console.log(JSON.stringify({ level, timestamp_ms: Date.now(), message, ...fields }));
}

// --- pictures ------------------------------------------------------------------------------------------------------

/** The JPEG's bytes. The file's name is the id with every other character than these replaced. */
function readPicture(imageId) {
  const directory = process.env.PROC_SHM_DIR || join(tmpdir(), 'procvision_dev_shm');
  try {
    return readFileSync(join(directory, `${imageId.replace(/[^a-zA-Z0-9._-]/gu, '_')}.bin`));
  } catch (error) {
    throw new ImageError(`the image ${imageId} cannot be read: ${error.code}`);
  }
}

/** Width and height out of a JPEG's header; makes sure that the picture is whole. */
function jpegSize(data) {
  if (data.length < 2 || data.readUInt16BE(0) !== 0xffd8) {
    throw new ImageError('the image does not begin as a JPEG does (SOI)');
  }
  let end = data.length;
  while (end > 0 && data[end - 1] === 0) end -= 1;
  if (end < 2 || data.readUInt16BE(end - 2) !== 0xffd9) {
    throw new ImageError('the image ends before its end marker (EOI): it is truncated');
  }
  let at = 2;
  while (at + 9 <= data.length && data[at] === 0xff) {
    const marker = data[at + 1];
    // A fill byte before a marker; markers without a segment; the end, or pixels before any frame header.
    if (marker === 0xff) at += 1;
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) at += 2;
    else if (marker === 0xd9 || marker === 0xda) break;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: data.readUInt16BE(at + 7), height: data.readUInt16BE(at + 5) };
    } else at += 2 + data.readUInt16BE(at + 2);
  }
  throw new ImageError('the image has no JPEG frame header (SOF)');
}

// --- the rule ------------------------------------------------------------------------------------------------------

/** What the pictures of each camera and format usually take. */
const means = new Map();

function inspect(data, meta, maxDeviation) {
  const { width, height } = jpegSize(data);
  if (width !== meta.width || height !== meta.height) {
    throw new ImageError(
      `the image has ${width}x${height} pixels, but ${meta.width}x${meta.height} were announced`,
    );
  }
  const key = JSON.stringify([meta.camera_id, width, height]);
  const { seen, mean } = means.get(key) ?? { seen: 0, mean: data.length };
  const deviation = data.length / mean - 1;
  means.set(key, { seen: seen + 1, mean: mean + WEIGHT * (data.length - mean) });

  const debug = {
    bytes: data.length,
    mean_bytes: Math.round(mean),
    deviation: Math.round(deviation * 10_000) / 10_000,
  };
  if (seen < WARM_UP || Math.abs(deviation) <= maxDeviation) {
    return { result_status: 'OK', defect_rects: [], debug };
  }
  const percent = (Math.abs(deviation) * 100).toFixed(1);
  const how = deviation > 0 ? 'more' : 'fewer';
  return {
    result_status: 'NG',
    ng_reason: `${data.length} bytes, ${percent} % ${how} than the mean of ${Math.round(mean)}`,
    // The rule sees the picture as a whole, and so does the rectangle.
    defect_rects: [{ x: 0, y: 0, width, height, label: 'size', score: debug.deviation }],
    debug,
  };
}

// --- calls ---------------------------------------------------------------------------------------------------------

/** The answer to one call, in whichever form the fields came: under data, under payload, or beside type. */
function answer(message) {
  const fields = { ...message, ...message.payload, ...message.data };
  const stepIndex = fields.step_index || 1;
  const reply = { type: 'result', request_id: message.request_id, timestamp_ms: Date.now() };
  try {
    let data = { calibration_rects: [] };
    if (fields.phase !== 'pre' && fields.method !== 'pre_execute') {
      const imageId = fields.guide_image_shm_id || fields.shared_mem_id;
      if (!imageId) throw new ImageError('the call names no image');
      const meta = fields.guide_image_meta ?? fields.image_meta ?? {};
      const maxDeviation = Number(fields.user_params?.max_deviation ?? MAX_DEVIATION);
      data = inspect(readPicture(imageId), meta, maxDeviation);
    }
    return { ...reply, status: 'OK', message: '', data: { step_index: stepIndex, ...data } };
  } catch (error) {
    // The adapter outlives whatever the algorithm does.
    log('error', error.message);
    const code = error instanceof ImageError ? '1002' : '1009';
    const data = { step_index: stepIndex };
    return { ...reply, status: 'ERROR', message: error.message, error_code: code, data };
  }
}

await send({
  type: 'hello',
  sdk_version: 'example',
  timestamp_ms: Date.now(),
  capabilities: ['ping', 'call', 'shutdown', 'shared_memory:v1', 'execute'],
});
log('info', 'ready', { max_deviation: MAX_DEVIATION });

for await (const message of receive()) {
  if (message.type === 'call') await send(answer(message));
  if (message.type === 'ping') {
    await send({ type: 'pong', request_id: message.request_id, timestamp_ms: Date.now(), status: 'OK' });
  }
  if (message.type === 'shutdown') {
    await send({ type: 'shutdown', timestamp_ms: Date.now(), status: 'OK' });
    process.exit(0);
  }
}
