/**
 * The states of a bridge's connection to its camera, and every transition between them. README.md of this room shows the
 * same table, and a test compares the two.
 */
import { BridgeError } from '../errors.js';

/**
 * `idle`: not started; `opening`: the first connection is being made; `preparing`: the script, its channel and the
 * settings are put in place; `streaming`: frames are pulled; `paused`: connected, no frames are pulled; `reconnecting`:
 * the camera is away and looked for; `closed`: over for good.
 */
export type State = 'idle' | 'opening' | 'preparing' | 'streaming' | 'paused' | 'reconnecting' | 'closed';

/**
 * `open`: start connecting; `connected`: a camera answers; `prepare`: the script, channel or settings need a look;
 * `stream`, `pause`: pull frames, or not; `lost`: the camera is gone; `close`: the end, wanted or not.
 */
export type Transition = 'open' | 'connected' | 'prepare' | 'stream' | 'pause' | 'lost' | 'close';

export const TRANSITIONS: Readonly<Record<State, Readonly<Partial<Record<Transition, State>>>>> = {
  idle: { open: 'opening', close: 'closed' },
  opening: { connected: 'preparing', close: 'closed' },
  preparing: { stream: 'streaming', pause: 'paused', lost: 'reconnecting', close: 'closed' },
  streaming: { prepare: 'preparing', pause: 'paused', lost: 'reconnecting', close: 'closed' },
  paused: { prepare: 'preparing', lost: 'reconnecting', close: 'closed' },
  reconnecting: { connected: 'preparing', close: 'closed' },
  closed: {},
};

/** The state that `transition` leads to. INTERNAL when the table has none. */
export function follow(state: State, transition: Transition): State {
  const next = TRANSITIONS[state][transition];
  if (next) return next;
  throw new BridgeError('INTERNAL', `A connection that is ${state} cannot do ${transition}.`, {
    context: { state, transition },
  });
}
