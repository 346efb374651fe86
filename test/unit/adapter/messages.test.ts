import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { callSchema, parseAdapterMessage, runnerHelloSchema } from '../../../src/adapter/messages.js';

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
    expect(parseAdapterMessage(value)).toEqual({ kind: 'message', message: value });
  });

  it('does not let a field that only informs spoil a message', () => {
    const pong = parseAdapterMessage({ type: 'pong', request_id: 'r', timestamp_ms: 'soon', status: 7 });
    expect(pong).toMatchObject({ kind: 'message', message: { type: 'pong', request_id: 'r' } });
    const hello = parseAdapterMessage({ type: 'hello' });
    expect(hello).toMatchObject({ kind: 'message', message: { capabilities: [] } });
    const error = parseAdapterMessage({ type: 'error', error_code: 1009 });
    expect(error).toMatchObject({ kind: 'message', message: { error_code: '1009' } });
  });

  it('names what is wrong with a result, and whose it is', () => {
    const parsed = parseAdapterMessage({ type: 'result', request_id: 'r-9', status: 'FINE', data: [] });
    expect(parsed).toMatchObject({ kind: 'invalid', requestId: 'r-9', error: { code: 'RUNNER_PROTOCOL' } });
    if (parsed.kind !== 'invalid') throw new Error('unreachable');
    expect(parsed.error.message).toContain('status');
    expect(parsed.error.message).toContain('data');
  });

  it.each([{ type: 'progress' }, { type: 3 }, {}, { type: 'x'.repeat(500) }])(
    'ignores unknown %j',
    (value) => {
      const parsed = parseAdapterMessage(value);
      expect(parsed.kind).toBe('unknown');
      if (parsed.kind !== 'unknown') throw new Error('unreachable');
      expect(parsed.type.length).toBeLessThanOrEqual(40);
    },
  );

  it('never throws', () => {
    const type = fc.constantFrom('hello', 'result', 'pong', 'error', 'shutdown', 'call', '__proto__');
    fc.assert(
      fc.property(type, fc.dictionary(fc.string(), fc.jsonValue()), fc.jsonValue(), (kind, rest, data) => {
        const parsed = parseAdapterMessage({ request_id: 'r', status: 'OK', ...rest, data, type: kind });
        expect(['message', 'unknown', 'invalid']).toContain(parsed.kind);
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
