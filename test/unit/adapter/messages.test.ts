import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { callSchema, parseAdapterMessage, runnerHelloSchema } from '../../../src/adapter/messages.js';
import { BridgeError } from '../../../src/errors.js';

describe('parseAdapterMessage', () => {
  it.each([
    {
      type: 'hello',
      sdk_version: '0.3.2',
      timestamp_ms: 1,
      capabilities: ['ping', 'call', 'shutdown', 'shared_memory:v1', 'execute'],
    },
    {
      type: 'result',
      request_id: 'r',
      timestamp_ms: 1,
      status: 'OK',
      message: '',
      data: { step_index: 1, result_status: 'NG', ng_reason: 'x', defect_rects: [] },
    },
    { type: 'pong', request_id: 'r', timestamp_ms: 1, status: 'OK' },
    { type: 'error', request_id: null, timestamp_ms: 1, status: 'ERROR', message: 'm', error_code: '1000' },
    { type: 'shutdown', timestamp_ms: 1, status: 'OK' },
  ])('understands $type with all its fields and keeps unknown ones', (message) => {
    const value = { ...message, vendor_note: { nested: [1] } };
    expect(parseAdapterMessage(value)).toEqual(value);
  });

  it('does not let a field that only informs spoil a message', () => {
    const pong = parseAdapterMessage({ type: 'pong', request_id: 'r', timestamp_ms: 'soon', status: 7 });
    expect(pong).toMatchObject({ type: 'pong', request_id: 'r' });
    const hello = parseAdapterMessage({ type: 'hello' });
    expect(hello).toMatchObject({ type: 'hello', capabilities: [] });
    const error = parseAdapterMessage({ type: 'error', error_code: 1009 });
    expect(error).toMatchObject({ type: 'error', error_code: '1009' });
  });

  it('names what is wrong with a result, and whose it is', () => {
    const parsed = parseAdapterMessage({ type: 'result', request_id: 'r-9', status: 'FINE', data: [] });
    expect(parsed).toMatchObject({ code: 'RUNNER_PROTOCOL', context: { requestId: 'r-9' } });
    if (!(parsed instanceof BridgeError)) throw new Error('unreachable');
    expect(parsed.message).toContain('status');
    expect(parsed.message).toContain('data');
  });

  it.each([{ type: 'progress' }, { type: 3 }, {}, { type: 'x'.repeat(500) }])(
    'ignores unknown %j',
    (value) => {
      const parsed = parseAdapterMessage(value);
      expect(parsed).toMatchObject({ code: 'RUNNER_PROTOCOL', context: { unknownType: expect.any(String) } });
      if (!(parsed instanceof BridgeError)) throw new Error('unreachable');
      expect(String(parsed.context['unknownType']).length).toBeLessThanOrEqual(40);
    },
  );

  it('never throws', () => {
    const type = fc.constantFrom('hello', 'result', 'pong', 'error', 'shutdown', 'call', '__proto__');
    fc.assert(
      fc.property(type, fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (kind, rest, data) => {
        const parsed = parseAdapterMessage({ request_id: 'r', status: 'OK', ...rest, data, type: kind });
        if (!(parsed instanceof BridgeError)) expect(parsed.type).toBe(kind);
        else expect(parsed.code).toBe('RUNNER_PROTOCOL');
      }),
    );
  });
});

describe('what the runner sends', () => {
  it('is described as well', () => {
    const hello = {
      type: 'hello',
      runner_version: '1',
      heartbeat_interval_ms: 5000,
      heartbeat_grace_ms: 2000,
    };
    expect(runnerHelloSchema.parse(hello)).toEqual(hello);
    expect(callSchema.safeParse({ type: 'call', request_id: 'r', data: { step_index: 'one' } }).success).toBe(
      false,
    );
  });
});
