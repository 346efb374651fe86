/** Keeps stray prints out of the messages: stdout becomes stderr, and messages get a descriptor of their own. */
import { Console } from 'node:console';

const STDOUT = 1;
const STDERR = 2;
/** From <fcntl.h>: the kernels have numbers of their own for it. */
const F_DUPFD_CLOEXEC = process.platform === 'darwin' ? 67 : 1030;

/**
 * Points file descriptor 1 at stderr, so that native code and child processes cannot break the messages either.
 * Where that cannot be done (Windows, no native binding) JavaScript's own ways to stdout are. Gives the descriptor for
 * messages.
 */
export async function guardStdout(): Promise<number> {
  process.stdout.write = process.stderr.write.bind(process.stderr) as typeof process.stdout.write;
  globalThis.console = new Console({ stdout: process.stderr, stderr: process.stderr });
  if (process.platform === 'win32') return STDOUT;
  try {
    const { default: koffi } = await import('koffi');
    const libc = koffi.load(null);
    const fcntl = libc.func('int fcntl(int, int, ...)') as (
      fd: number,
      command: number,
      type: 'int',
      least: number,
    ) => number;
    const dup2 = libc.func('int dup2(int, int)') as (from: number, to: number) => number;
    // Not to be inherited: a child that lives on would keep the host's pipe open.
    const messages = fcntl(STDOUT, F_DUPFD_CLOEXEC, 'int', STDERR + 1);
    if (messages < 0) return STDOUT;
    return dup2(STDERR, STDOUT) < 0 ? STDOUT : messages;
  } catch {
    return STDOUT;
  }
}
