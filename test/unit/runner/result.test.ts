import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ResultMessage, resultSchema } from '../../../src/adapter/messages.js';
import { errorFromMessage, failedCall, judgeResult } from '../../../src/runner/result.js';
import { failure, picture, verdict } from '../../e2e/runner/support.js';

const image = picture({ width: 100, height: 50 });
const facts = { requestId: 'r', latencyMs: 7, image };
const rect = { x: 1, y: 2, width: 3, height: 4 };

function result(data: unknown, more: Partial<ResultMessage> = {}): ResultMessage {
  return resultSchema.parse({ type: 'result', request_id: 'r', status: 'OK', data, ...more });
}

describe('judgeResult', () => {
  it('reads every field of a verdict', () => {
    const data = {
      step_index: 1,
      result_status: 'NG',
      ng_reason: 'scratch',
      defect_rects: [{ ...rect, label: 'scratch', score: 0.9 }],
      position_rects: [rect],
      calibration_rects: [rect],
      debug: { ms: 3 },
      extra: true,
    };
    expect(judgeResult(result(data, { message: 'done' }), facts)).toEqual({
      outcome: 'ng',
      requestId: 'r',
      status: 'OK',
      resultStatus: 'NG',
      message: 'done',
      ngReason: 'scratch',
      defectRects: data.defect_rects,
      positionRects: [rect],
      calibrationRects: [rect],
      debug: { ms: 3 },
      flags: [],
      latencyMs: 7,
      data,
    });
  });

  it('takes the calibration of the pre call when the result has none', () => {
    const got = verdict(judgeResult(result({ result_status: 'OK' }), { ...facts, calibrationRects: [rect] }));
    expect(got.calibrationRects).toEqual([rect]);
    expect(got.defectRects).toEqual([]);
  });

  it.each<[string, Record<string, unknown>, string[]]>([
    ['NG without a reason', { result_status: 'NG', defect_rects: [rect] }, ['ng-without-reason']],
    ['an empty reason', { result_status: 'NG', ng_reason: '' }, ['ng-without-reason']],
    [
      '21 rectangles',
      { result_status: 'NG', ng_reason: 'x', defect_rects: Array(21).fill(rect) },
      ['too-many-rects'],
    ],
    ['20 rectangles', { result_status: 'NG', ng_reason: 'x', defect_rects: Array(20).fill(rect) }, []],
    [
      'a rectangle beyond the right edge',
      { result_status: 'OK', position_rects: [{ ...rect, x: 98 }] },
      ['rect-outside-frame'],
    ],
    [
      'a rectangle above the frame',
      { result_status: 'OK', defect_rects: [{ ...rect, y: -1 }] },
      ['rect-outside-frame'],
    ],
    ['the whole frame', { result_status: 'OK', defect_rects: [{ x: 0, y: 0, width: 100, height: 50 }] }, []],
    ['a rectangle of words', { result_status: 'OK', defect_rects: [{ x: 'a' }] }, ['rect-malformed']],
    ['a negative size', { result_status: 'OK', defect_rects: [{ ...rect, width: -1 }] }, ['rect-malformed']],
    ['no list at all', { result_status: 'NG', ng_reason: 'x', defect_rects: 'none' }, ['rect-malformed']],
    ['null for no rectangles', { result_status: 'OK', defect_rects: null }, []],
  ])('accepts %s and says so', (_name, data, flags) => {
    const got = verdict(judgeResult(result(data), facts));
    expect(got.resultStatus).toBe(data['result_status']);
    expect(got.flags).toEqual(flags);
  });

  it('leaves malformed rectangles out and keeps the good ones', () => {
    const got = verdict(
      judgeResult(result({ result_status: 'NG', ng_reason: 'x', defect_rects: [null, rect] }), facts),
    );
    expect(got.defectRects).toEqual([rect]);
    expect(got.flags).toEqual(['rect-malformed']);
  });

  it.each([
    undefined,
    null,
    {},
    { result_status: 'MAYBE' },
    { result_status: null },
    { result_status: 'ok' },
  ])('never makes a verdict out of status OK with data %j', (data) => {
    const got = failure(judgeResult(result(data), facts));
    expect(got.error.code).toBe('RUNNER_PROTOCOL');
    expect(got.error.message).toContain('result_status');
  });

  it('never makes a verdict out of status ERROR', () => {
    const message = result(
      { result_status: 'OK' },
      { status: 'ERROR', message: 'no model', error_code: '1003' },
    );
    const got = failure(judgeResult(message, facts));
    expect(got.error.message).toContain('1003 (model not found): no model');
    expect(got).toMatchObject({
      code: 'ALGORITHM_FAILED',
      algorithmCode: { code: '1003', name: 'model_not_found' },
    });
    expect(got.data).toEqual({ result_status: 'OK' });
  });

  it('gives a verdict only for status OK with OK or NG, whatever else is there', () => {
    const status = fc.constantFrom<unknown>('OK', 'NG', 'ng', 1, null);
    fc.assert(
      fc.property(fc.constantFrom('OK', 'ERROR'), status, fc.jsonValue(), (outer, inner, rest) => {
        const data = { defect_rects: rest, ng_reason: rest, debug: rest, result_status: inner };
        const got = judgeResult(result(data, { status: outer }), facts);
        const decided = outer === 'OK' && (inner === 'OK' || inner === 'NG');
        expect(got.outcome).toBe(decided ? String(inner).toLowerCase() : 'failed');
      }),
    );
  });
});

describe('errorFromMessage', () => {
  it.each([
    ['1000', 'invalid_return'],
    ['1001', 'invalid_pid'],
    ['1002', 'image_load_failed'],
    ['1003', 'model_not_found'],
    ['1004', 'gpu_out_of_memory'],
    ['1005', 'timeout'],
    ['1006', 'invalid_params'],
    ['1007', 'coordinate_invalid'],
    ['1009', 'execute_exception'],
    ['1010', 'stdout_contaminated'],
    ['9999', 'unknown'],
    ['4711', 'undocumented'],
  ])('names %s %s', (code, name) => {
    const error = errorFromMessage({ type: 'error', error_code: code, request_id: 'r' });
    expect(error).toMatchObject({
      code: 'ALGORITHM_FAILED',
      context: { errorCode: code, errorName: name, requestId: 'r' },
    });
    expect(failedCall('r', error, 1).algorithmCode).toEqual({ code, name });
  });

  it('explains the code', () => {
    const error = errorFromMessage({
      type: 'error',
      message: 'division by zero',
      error_code: '1009',
      request_id: 'r',
    });
    expect(error.message).toBe(
      'The algorithm reports an error 1009 (exception in the algorithm): division by zero',
    );
    expect(error.context).toMatchObject({ errorCode: '1009', requestId: 'r' });
  });

  it('does with less', () => {
    expect(errorFromMessage({ type: 'error' }).message).toContain('no message; see its log');
    expect(errorFromMessage({ type: 'error', message: 'x'.repeat(100_000) }).message.length).toBeLessThan(
      3_000,
    );
  });
});
