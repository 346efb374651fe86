/** The life of one run of a puller: turn after turn, until it is aborted, the script starts again, or something fails. */
import type { Camera, CameraEvent } from '../camera/index.js';

export interface Turns {
  /** `camera.restarts` at the beginning of the run. */
  readonly restarts: number;
  /** Ends the wait of a turn: something has happened. */
  wake(): void;
  /** Follows the channel's events; answers how to stop. */
  listen(): () => void;
  /** Told of events of the connection, before `wake`. */
  told?(event: CameraEvent): void;
  /** Before the first turn. */
  begin?(): Promise<void>;
  /** true: it was the last one. */
  turn(): Promise<boolean>;
}

/** Resolves after the last turn, when aborted, or when the camera's interpreter has restarted; rejects with what a turn ends in. */
export async function untilRestart(camera: Camera, signal: AbortSignal, turns: Turns): Promise<void> {
  const { restarts } = turns;
  const wake = (): void => turns.wake();
  const stopListening = turns.listen();
  const subscription = camera.events$.subscribe((event) => {
    turns.told?.(event);
    wake();
  });
  signal.addEventListener('abort', wake);
  try {
    await turns.begin?.();
    while (!signal.aborted && camera.restarts === restarts) if (await turns.turn()) return;
  } catch (error) {
    // A restart explains what went wrong in it; what is left to do is the same.
    if (signal.aborted || (camera.connected && camera.restarts !== restarts)) return;
    throw error;
  } finally {
    stopListening();
    subscription.unsubscribe();
    signal.removeEventListener('abort', wake);
  }
}
