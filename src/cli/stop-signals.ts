/** The user's wish to stop: SIGINT, SIGTERM, SIGHUP, or a reader of our output that has gone. */

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** 128 + SIGINT, as shells report it: the user did not want to wait for an orderly end. */
const IMPATIENT = 130;

/**
 * Calls `stop` at the first wish and ends the process at once at the second (what is in shared memory is removed
 * even then). Returns how to stop listening.
 */
export function onStop(stop: () => void): () => void {
  let asked = false;
  const wish = (): void => {
    if (asked) process.exit(IMPATIENT);
    asked = true;
    stop();
  };
  const gone = (error: NodeJS.ErrnoException): void => {
    // `| head -1` has read enough; nothing more can be said on that stream.
    if (error.code !== 'EPIPE') throw error;
    if (!asked) wish();
  };
  for (const signal of SIGNALS) process.on(signal, wish);
  process.stdout.on('error', gone);
  return () => {
    for (const signal of SIGNALS) process.off(signal, wish);
  };
}
