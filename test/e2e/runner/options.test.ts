import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../../src/errors.js';
import { type RunnerOptions, resolveRunnerOptions } from '../../../src/runner/options.js';

const required = { command: 'python3 -m adapter', imageDirectory: '/dev/shm/x', runnerVersion: '1' };

describe('resolveRunnerOptions', () => {
  it('fills in the defaults of the protocol', () => {
    const options = resolveRunnerOptions(required);
    expect(options).toMatchObject({
      command: ['python3', '-m', 'adapter'],
      dialect: 'auto',
      logLevel: 'info',
      strictStdio: false,
      preExecute: 'session',
      retry: false,
      maxResultBytes: 16_777_216,
      settings: { pid: '', stepIndex: 1, stepDesc: '', guideInfo: [], userParams: {} },
      timings: {
        startupMs: 120_000,
        shutdownMs: 10_000,
        callMs: 30_000,
        preMs: 10_000,
        heartbeatIntervalMs: 5_000,
        killMs: 3_000,
      },
    });
    const { id, context } = options.settings.session;
    expect(id).toMatch(/^[0-9a-f-]{36}$/);
    expect(context.trace_id).toMatch(/^[0-9a-f-]{36}$/);
    expect(resolveRunnerOptions(required).settings.session.id).not.toBe(id);
  });

  it('keeps what is given', () => {
    const options = resolveRunnerOptions({
      ...required,
      command: ['a', 'b c'],
      settings: { stepIndex: 3, session: { context: { product_code: 'p', line: 4 } } },
      timings: { callMs: 5 },
    });
    expect(options.command).toEqual(['a', 'b c']);
    expect(options.settings.session.context).toMatchObject({ product_code: 'p', line: 4 });
    expect(options.timings.callMs).toBe(5);
  });

  it.each<[string, Partial<RunnerOptions>, string]>([
    ['a step of 0', { settings: { stepIndex: 0 } }, 'settings.stepIndex'],
    ['a delay no timer keeps', { timings: { callMs: 2 ** 31 } }, 'timings.callMs'],
    ['an unknown name', { timings: { callMilliseconds: 1 } as object }, 'callMilliseconds'],
    ['no words', { command: [] }, 'command'],
    ['an empty program', { command: [''] }, 'command'],
    ['a NUL', { command: ['a', 'b\0'] }, 'command'],
    ['an open quote', { command: `a 'b` }, 'quote'],
  ])('refuses %s', (_name, wrong, shown) => {
    let error: unknown;
    try {
      resolveRunnerOptions({ ...required, ...wrong });
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(BridgeError);
    expect((error as BridgeError).code).toBe('OPTION_INVALID');
    expect((error as BridgeError).message).toContain(shown);
  });
});
