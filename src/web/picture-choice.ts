/**
 * Which frames a viewer is shown: all of them as they come, or those that the algorithm has judged, with what it said
 * of exactly that frame.
 */
import type { Subscription } from 'rxjs';
import type { Bridge, FrameOutcome } from '../bridge/index.js';
import type { Frame } from '../frames/index.js';

export interface Picture {
  readonly frame: Frame;
  /** undefined: not known yet. */
  readonly outcome: FrameOutcome | undefined;
}

/** Without a judged frame for so long (or twice the time between the last two) others are shown, so that the picture lives. */
const SHORTEST_QUIET_MS = 1_000;
const LONGEST_QUIET_MS = 10_000;

/** `live`: each frame when it comes; `judged`: each frame with its outcome. */
export type Show = 'live' | 'judged';

/** Calls back with each picture, until unsubscribed; `ended` when the bridge ends. */
export function follow(
  bridge: Bridge,
  show: Show,
  offer: (picture: Picture) => void,
  ended: () => void,
): Subscription {
  if (show === 'live') {
    return bridge.frames$.subscribe({
      next: (frame) => offer({ frame, outcome: undefined }),
      error: ended,
      complete: ended,
    });
  }
  let judgedAt = Number.NEGATIVE_INFINITY;
  let between = 0;
  return bridge.outcomes$.subscribe({
    next: (outcome) => {
      const now = performance.now();
      const quiet = Math.min(LONGEST_QUIET_MS, Math.max(SHORTEST_QUIET_MS, 2 * between));
      if (outcome.outcome !== 'skipped') {
        between = now - judgedAt;
        judgedAt = now;
      } else if (now - judgedAt < quiet) return;
      offer({ frame: outcome.frame, outcome });
    },
    complete: ended,
  });
}
