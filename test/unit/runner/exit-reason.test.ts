import { describe, expect, it } from 'vitest';
import { type ExitFacts, exitError, exitReason, oomKillCount } from '../../../src/runner/exits.js';
import { failure, fixture, observe, sdk } from '../../e2e/runner/support.js';

const facts = (more: Partial<ExitFacts>): ExitFacts => ({
  command: ['x'],
  end: { code: 1, signal: null },
  stderr: [],
  reported: undefined,
  greeted: true,
  unfinished: new Uint8Array(0),
  answered: 3,
  oomKills: false,
  ...more,
});

describe('exitReason', () => {
  it.each<[string, Partial<ExitFacts>]>([
    ['import-failed', { answered: 0, stderr: ["ModuleNotFoundError: No module named 'torch'"] }],
    ['import-failed', { answered: 0, stderr: ["code: 'ERR_MODULE_NOT_FOUND'"] }],
    ['import-failed', { answered: 0, end: { code: 0, signal: null }, reported: 'no such model' }],
    ['ended-itself', { end: { code: 0, signal: null } }],
    ['signal', { end: { code: null, signal: 'SIGSEGV' } }],
    ['signal', { end: { code: null, signal: 'SIGKILL' } }],
    ['out-of-memory', { end: { code: null, signal: 'SIGKILL' }, oomKills: true }],
    ['out-of-memory', { end: { code: 137, signal: null }, oomKills: true }],
    ['out-of-memory', { stderr: ['Traceback (most recent call last):', 'MemoryError'] }],
    ['out-of-memory', { stderr: ['torch.cuda.OutOfMemoryError: CUDA out of memory.'] }],
    ['out-of-memory', { end: { code: null, signal: 'SIGABRT' }, stderr: ['what():  std::bad_alloc'] }],
    ['exception', { stderr: ['Traceback (most recent call last):', '  File "a"', 'ValueError: x'] }],
    // Not for the first time: the module is there.
    ['exception', { stderr: ["ModuleNotFoundError: No module named 'torch'"] }],
    ['exit-status', { end: { code: 3, signal: null } }],
  ])('%s: %j', (reason, more) => {
    expect(exitReason(facts(more))).toBe(reason);
  });

  it.each([
    [
      'the exception, not what stands below it',
      ['Error: no model', '    at a (b.mjs:1:2)', 'Node.js v20.20.2'],
      'Error: no model',
    ],
    [
      'the last line otherwise',
      ['loading', 'the licence has ended', 'Node.js v20.20.2'],
      'the licence has ended',
    ],
  ])('last words: %s', (_, stderr, words) => {
    expect(exitError(facts({ stderr })).message).toContain(`Its last words: ${words}`);
  });

  it('an end before the hello: what was written to stdout instead', () => {
    const end = { code: 0, signal: null };
    const { message } = exitError(
      facts({ end, answered: 0, greeted: false, unfinished: Buffer.from('hi\n') }),
    );
    expect(message).toContain(
      'before it said hello: is the command an algorithm adapter? It wrote to stdout',
    );
    expect(message).toContain('"hi.');
  });

  it('the count of the kernel can be read', () => {
    expect(Number.isInteger(oomKillCount())).toBe(true);
  });
});

describe('adapters that end', () => {
  it.each([
    ['exit-0', 'ended-itself'],
    ['exit', 'exit-status'],
    ['segfault', 'signal'],
    ['memory', 'out-of-memory'],
  ])('%s in execute: %s', async (behaviour, reason) => {
    const { call, runner } = observe(sdk('0.3', behaviour));
    await runner.start();
    expect(failure(await call()).error.context).toMatchObject({ reason });
  });

  it('before their first call because of an import', async () => {
    const { runner } = observe(sdk('0.3', 'exit-at-start'), { timings: { crashLimit: 1 } });
    await expect(runner.start()).rejects.toMatchObject({ context: { reason: 'import-failed' } });
    const reported = observe(sdk('0.3', 'import-failure'), { timings: { crashLimit: 1 } });
    const early = reported.call();
    await reported.runner.start();
    expect(failure(await early).error.context).toMatchObject({ reason: 'import-failed' });
  });

  it('in Node because of a module that is not there', async () => {
    const { runner } = observe([process.execPath, fixture('no-such-file.mjs')], {
      timings: { crashLimit: 1 },
    });
    await expect(runner.start()).rejects.toMatchObject({ context: { reason: 'import-failed', exitCode: 1 } });
  });
});
