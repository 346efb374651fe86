import { describe, expect, it } from 'vitest';
import {
  buildCall,
  callSettingsSchema,
  DIALECTS,
  type ImageReference,
  resolveDialect,
} from '../../../src/adapter/dialects.js';
import { callSchema } from '../../../src/adapter/messages.js';

const SDK_03 = ['ping', 'call', 'shutdown', 'shared_memory:v1', 'execute'];
const SDK_00 = ['ping', 'call', 'shutdown', 'shared_memory:v1', 'info'];
/** The last 0.0.x builds name every phase. */
const SDK_00_LATE = ['ping', 'call', 'shutdown', 'shared_memory:v1', 'info', 'setup', 'teardown', 'execute'];

const settings = callSettingsSchema.parse({
  pid: 'p001',
  stepIndex: 2,
  stepDesc: 'screws',
  guideInfo: [{ label: '1', posList: [{ x: 1, y: 2, width: 3, height: 4 }] }],
  userParams: { threshold: 0.7 },
  session: { id: 's-1', context: { product_code: 'board', trace_id: 't-1' } },
});
const image: ImageReference = { id: 'f-1', width: 320, height: 240, timestampMs: 1700, cameraId: 'cam' };
const meta = { width: 320, height: 240, timestamp_ms: 1700, camera_id: 'cam', color_space: 'RGB' };
const executeFields = {
  step_index: 2,
  step_desc: 'screws',
  guide_info: [{ label: '1', posList: [{ x: 1, y: 2, width: 3, height: 4 }] }],
  cur_image_shm_id: 'f-1',
  cur_image_meta: meta,
  guide_image_shm_id: 'f-1',
  guide_image_meta: meta,
};
const phasedFields = {
  step_index: 2,
  pid: 'p001',
  session: { id: 's-1', context: { product_code: 'board', trace_id: 't-1' } },
  user_params: { threshold: 0.7 },
  shared_mem_id: 'f-1',
  image_meta: meta,
};
const parts = { requestId: 'r-1', timestampMs: 1800, phase: 'execute', settings, image } as const;
const head = { type: 'call', request_id: 'r-1', timestamp_ms: 1800 };

describe('resolveDialect', () => {
  it('tells the generations apart by their capabilities', () => {
    expect(resolveDialect('auto', SDK_03)).toEqual({ form: 'execute', superset: true, pre: false });
    expect(resolveDialect('auto', SDK_00)).toEqual({ form: 'phased', superset: true, pre: true });
    expect(resolveDialect('auto', SDK_00_LATE)).toEqual({ form: 'phased', superset: true, pre: true });
    expect(resolveDialect('auto', [])).toEqual({ form: 'phased', superset: true, pre: true });
  });

  it('takes a dialect that was asked for at its word', () => {
    expect(resolveDialect('execute', SDK_00)).toEqual({ form: 'execute', superset: false, pre: false });
    expect(resolveDialect('phased', SDK_03)).toEqual({ form: 'phased', superset: false, pre: true });
    expect(resolveDialect('method', SDK_03)).toEqual({ form: 'method', superset: false, pre: true });
    expect(resolveDialect('flat', SDK_03).pre).toBe(false);
    expect(resolveDialect('flat', SDK_00).pre).toBe(true);
  });
});

describe('buildCall', () => {
  it('writes execute', () => {
    expect(buildCall(resolveDialect('execute', SDK_03), parts)).toEqual({ ...head, data: executeFields });
  });

  it('writes phased, either phase', () => {
    const dialect = resolveDialect('phased', SDK_00);
    expect(buildCall(dialect, parts)).toEqual({ ...head, data: { phase: 'execute', ...phasedFields } });
    expect(buildCall(dialect, { ...parts, phase: 'pre' })).toEqual({
      ...head,
      data: { phase: 'pre', ...phasedFields },
    });
  });

  it('writes flat', () => {
    expect(buildCall(resolveDialect('flat', SDK_00), parts)).toEqual({
      ...head,
      phase: 'execute',
      ...phasedFields,
      ...executeFields,
    });
  });

  it('writes method and payload', () => {
    const dialect = resolveDialect('method', SDK_00);
    expect(buildCall(dialect, parts)).toEqual({ ...head, method: 'execute', payload: phasedFields });
    expect(buildCall(dialect, { ...parts, phase: 'pre' })).toEqual({
      ...head,
      method: 'pre_execute',
      payload: phasedFields,
    });
  });

  it.each([SDK_03, SDK_00].map((capabilities) => ({ capabilities })))(
    'writes both field sets in auto',
    ({ capabilities }) => {
      const call = buildCall(resolveDialect('auto', capabilities), parts);
      expect(call).toEqual({ ...head, data: { phase: 'execute', ...phasedFields, ...executeFields } });
    },
  );

  it('gives the reference picture as cur and the frame as guide', () => {
    const reference: ImageReference = { ...image, id: 'ref', colorSpace: 'BGR' };
    const call = buildCall(resolveDialect('auto', SDK_03), { ...parts, reference });
    expect(call.data).toMatchObject({
      cur_image_shm_id: 'ref',
      cur_image_meta: { ...meta, color_space: 'BGR' },
      guide_image_shm_id: 'f-1',
      guide_image_meta: meta,
      shared_mem_id: 'f-1',
    });
  });

  it.each(DIALECTS)('writes %s as the call schema describes it', (dialect) => {
    const call = buildCall(resolveDialect(dialect, SDK_00), parts);
    expect(callSchema.parse(call)).toEqual(call);
  });
});
