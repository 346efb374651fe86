/**
 * What is still open when the process exits is closed then, so that nothing of ours stays in `/dev/shm`. This hears
 * the `exit` event alone: signals belong to the program, and a process that dies by one leaves its segments and
 * directories for the next start to clear.
 */
const closers = new Set<() => void>();

function closeAll(): void {
  // A closer takes itself out of the set: walk over a copy.
  for (const close of [...closers]) {
    try {
      close();
    } catch {
      // The process is leaving and the next start clears what stays: the other closers still get their turn.
    }
  }
}

/**
 * Runs `close` when the process exits, unless the returned function was called before. However many things are
 * open, the process has one `exit` listener from here, and none when all are closed.
 */
export function closeAtExit(close: () => void): () => void {
  if (closers.size === 0) process.on('exit', closeAll);
  closers.add(close);
  return () => {
    if (closers.delete(close) && closers.size === 0) process.off('exit', closeAll);
  };
}
