import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { pause } from '../../../src/async.js';
import { Machine } from '../../../src/bridge/machine.js';
import { follow, type State, TRANSITIONS, type Transition } from '../../../src/bridge/states.js';
import type { BridgeError } from '../../../src/errors.js';

const README = readFileSync(join(import.meta.dirname, '../../../src/bridge/README.md'), 'utf8');
const STATES = Object.keys(TRANSITIONS) as State[];
const ALL: Transition[] = ['open', 'connected', 'prepare', 'stream', 'pause', 'lost', 'close'];

describe('the table of transitions', () => {
  it('stands in the README as it is in the code', () => {
    const rows = README.split('\n').filter((line) => /^\| `\w+` +\|/.test(line));
    const shown = rows.map((row) => row.split('|').map((cell) => cell.trim().replaceAll('`', '')));
    const table = Object.fromEntries(
      shown
        .filter(([, state]) => STATES.includes(state as State))
        .map(([, state, ...cells]) => [
          state,
          Object.fromEntries(ALL.flatMap((one, index) => (cells[index] ? [[one, cells[index]]] : []))),
        ]),
    );
    expect(table).toEqual(TRANSITIONS);
  });

  it('refuses every other transition', () => {
    for (const state of STATES) {
      for (const transition of ALL) {
        const next = TRANSITIONS[state][transition];
        if (next) expect(follow(state, transition)).toBe(next);
        else expect(() => follow(state, transition)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
      }
    }
  });

  it('leads from every state to closed', () => {
    for (const state of STATES.filter((one) => one !== 'closed'))
      expect(follow(state, 'close')).toBe('closed');
  });
});

describe('the machine', () => {
  const forever = (signal: AbortSignal): Promise<never> => pause(1e9, signal) as Promise<never>;

  it('ends the waits of a state that is left, and goes on with the next activity', async () => {
    const ended: unknown[] = [];
    const wait = async (signal: AbortSignal): Promise<never> => {
      try {
        return await forever(signal);
      } catch (error) {
        ended.push((error as BridgeError).code);
        throw error;
      }
    };
    const machine = new Machine(
      { opening: async () => 'connected', preparing: async () => 'stream', streaming: wait, paused: wait },
      () => expect.unreachable(),
    );
    machine.go('open');
    await machine.until(() => machine.settled === 'streaming');
    machine.go('pause');
    await machine.until(() => machine.settled === 'paused');
    expect(ended).toEqual(['PORT_CLOSED']);
    machine.close();
    await machine.ended();
    expect(ended).toEqual(['PORT_CLOSED', 'BRIDGE_CLOSED']);
    expect(machine.state).toBe('closed');
    expect(() => machine.check()).toThrow(expect.objectContaining({ code: 'BRIDGE_CLOSED' }));
  });

  it('is closed by an error in an activity, which waiting callers get', async () => {
    const why = Object.assign(new Error('a defect'), { code: 'INTERNAL' });
    const told: BridgeError[] = [];
    const machine = new Machine(
      {
        opening: async () => {
          throw why;
        },
      },
      (error) => told.push(error),
    );
    machine.go('open');
    await expect(machine.until(() => false)).rejects.toMatchObject({ code: 'INTERNAL', message: 'a defect' });
    expect(told).toMatchObject([{ code: 'INTERNAL' }]);
    expect(machine.state).toBe('closed');
  });
});
