/** Frames and results as messages of NATS, and what a stream covers. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { answerText, resultOfAnswer, takeSubject } from '../../../src/fleet/nats/call-message.js';
import { checkSize, frameHeaders, frameOf } from '../../../src/fleet/nats/frame-message.js';
import { covers } from '../../../src/fleet/nats/stream.js';
import { Frame } from '../../../src/frames/index.js';
import { failedCall, type Verdict } from '../../../src/runner/index.js';

const SUBJECT = 'openmv.local.cam.frame';

const frame = (data?: unknown): Frame =>
  new Frame({
    ...{ runId: 'run', cameraId: 'cam', sequence: 7, width: 320, height: 240, captureNumber: 9 },
    ...{ timestampMs: 1_700_000_000_000.25, capturedAtMs: 1_699_999_999_990.5, data },
    jpeg: Uint8Array.of(0xff, 0xd8, 1, 2, 3, 0xff, 0xd9),
  });

describe('a frame', () => {
  it.each([undefined, { part: 'Größe 3 µm \u{1f4f7}', n: 1 }, [], 'a\nb'])(
    'with data %j comes back whole',
    (data) => {
      const sent = frame(data);
      const headers = frameHeaders(sent);
      for (const [, values] of headers) expect(values.join('')).toMatch(/^[\x20-\x7e]*$/);
      expect(frameOf({ data: sent.jpeg, headers, subject: SUBJECT })).toEqual({
        ...{ runId: 'run', cameraId: 'cam', sequence: 7, width: 320, height: 240, captureNumber: 9, data },
        ...{ timestampMs: 1_700_000_000_000.25, capturedAtMs: 1_699_999_999_990.5 },
        ...{ jpeg: sent.jpeg, crc32: sent.crc32 },
      });
    },
  );

  it('that was damaged, or is none, is refused', () => {
    const sent = frame();
    const headers = frameHeaders(sent);
    const corrupt = expect.objectContaining({ code: 'FRAME_CORRUPT' });
    for (let at = 0; at < sent.jpeg.length; at++) {
      const data = Uint8Array.from(sent.jpeg);
      data[at]! ^= 1;
      expect(() => frameOf({ data, headers, subject: SUBJECT })).toThrow(corrupt);
    }
    expect(() => frameOf({ data: sent.jpeg, subject: SUBJECT })).toThrow(corrupt);
    headers.set('Sequence', '0');
    expect(() => frameOf({ data: sent.jpeg, headers, subject: SUBJECT })).toThrow(corrupt);
  });

  it('that is too large for the server names the size to set', () => {
    expect(() => checkSize(900_000, 1_048_576)).not.toThrow();
    expect(() => checkSize(1_048_000, 1_048_576)).toThrow(/max_payload: 2MB/);
    expect(() => checkSize(5_000_000, 1_048_576)).toThrow(/max_payload: 8MB/);
  });
});

describe('a result', () => {
  it('with a verdict comes back as it was, with the time that the call took', () => {
    const result: Verdict = {
      outcome: 'ng',
      requestId: 'a',
      status: 'OK',
      resultStatus: 'NG',
      ngReason: 'dark',
      latencyMs: 3,
      defectRects: [{ x: 1, y: 2, width: 3, height: 4 }],
      flags: ['too-many-rects'],
      data: { n: [1, null] },
    };
    expect(resultOfAnswer(answerText(result), 12)).toEqual({ ...result, latencyMs: 12 });
  });

  it('without one comes back with its error', () => {
    const error = new BridgeError('ALGORITHM_FAILED', 'no light', { context: { errorCode: '1009' } });
    const failed = failedCall('a', error, 3, { hint: 'lamp' });
    const back = resultOfAnswer(answerText(failed), 12);
    expect(back).toMatchObject({
      outcome: 'failed',
      requestId: 'a',
      status: 'ERROR',
      latencyMs: 12,
      data: { hint: 'lamp' },
    });
    expect(back.outcome === 'failed' && back.error).toBeInstanceOf(BridgeError);
    expect(back).toMatchObject({ error: { code: 'ALGORITHM_FAILED', message: 'no light' } });
    expect(back).toMatchObject({ algorithmCode: { code: '1009' } });
  });

  it('is never made of anything else', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc.constantFrom('{"outcome":"ok"}', '{"outcome":"ok","status":"OK"}'),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(() => resultOfAnswer(text, 1)).toThrow(expect.objectContaining({ code: 'RUNNER_PROTOCOL' }));
      }),
    );
  });
});

it('calls are taken of one camera, or of any, and of no other pattern', () => {
  expect(takeSubject({ site: 'hall', camera: 'cam' })).toBe('openmv.hall.cam.take');
  expect(takeSubject({ site: 'hall', camera: '*' })).toBe('openmv.hall.*.take');
  expect(() => takeSubject({ site: '*', camera: '*' })).toThrow(/name of a site/);
  expect(() => takeSubject({ site: 'hall', camera: '>' })).toThrow(/name of a camera/);
});

it.each([
  ['openmv.>', 'openmv.hall.*.frame', true],
  ['>', 'openmv.hall.*.frame', true],
  ['openmv.*.*.frame', 'openmv.hall.*.frame', true],
  ['openmv.hall.*.*', 'openmv.hall.*.frame', true],
  ['openmv.hall.cam.frame', 'openmv.hall.*.frame', false],
  ['openmv.hall.*.frame', 'openmv.hall.*.result', false],
  ['openmv.hall.*', 'openmv.hall.*.frame', false],
  ['openmv.hall.*.frame.>', 'openmv.hall.*.frame', false],
])('a stream of %s takes %s: %s', (pattern, subject, taken) => {
  expect(covers(pattern, subject)).toBe(taken);
});
