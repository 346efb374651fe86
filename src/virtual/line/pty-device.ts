import { closeSync, constants, openSync } from 'node:fs';
import { BridgeError } from '../../errors.js';
import { lastError, libc } from '../../libc.js';
import { discardInput, discardOutput } from '../../port/index.js';

/** F_DUPFD_CLOEXEC: a copy that child processes do not inherit. */
const DUPLICATE_CLOSE_ON_EXEC = process.platform === 'darwin' ? 67 : 1030;
/** FD_CLOEXEC by F_SETFD. */
const SET_DESCRIPTOR_FLAGS = 2;
const CLOSE_ON_EXEC = 1;

/** Larger than any system's `struct termios`; only the C library looks inside. */
const TERMIOS_SIZE = 256;
const SET_NOW = 0;
const NAME_SIZE = 128;

function failed(call: string): BridgeError {
  return new BridgeError(
    'UNSUPPORTED',
    `This system gives no pseudo-terminal (${call}: ${lastError()}). Check that /dev/ptmx and /dev/pts are there.`,
    { context: { call } },
  );
}

function must(result: number, call: string): number {
  if (result < 0) throw failed(call);
  return result;
}

/** The two ends of a new pseudo-terminal, in raw mode. */
export interface PtyDevice {
  /** The master's descriptor: nonblocking, not inherited by child processes. */
  readonly fd: number;
  readonly slavePath: string;
  /** The raw settings, to be set again after a host that changed them. */
  readonly raw: Uint8Array;
}

function slaveName(fd: number): string {
  const name = Buffer.alloc(NAME_SIZE);
  // ptsname_r answers the error itself, not -1.
  if (libc().ptsname_r(fd, name, NAME_SIZE) !== 0) throw failed('ptsname_r');
  return name.toString('utf8', 0, name.indexOf(0));
}

/** Does something with the slave's end. What is set stays: the line lives as long as its master. */
function withSlave<T>(slavePath: string, action: (slave: number) => T): T {
  const slave = openSync(slavePath, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  try {
    return action(slave);
  } finally {
    closeSync(slave);
  }
}

/**
 * Makes a pseudo-terminal whose line changes no byte: no echo, no line editing, no translation of line ends.
 *
 * Throws `UNSUPPORTED` where there are none.
 */
export function makePty(): PtyDevice {
  const fd = must(
    libc().posix_openpt(constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK),
    'posix_openpt',
  );
  try {
    must(libc().fcntl(fd, SET_DESCRIPTOR_FLAGS, 'int', CLOSE_ON_EXEC), 'fcntl');
    must(libc().grantpt(fd), 'grantpt');
    must(libc().unlockpt(fd), 'unlockpt');
    const slavePath = slaveName(fd);
    const raw = withSlave(slavePath, (slave) => {
      const termios = Buffer.alloc(TERMIOS_SIZE);
      must(libc().tcgetattr(slave, termios), 'tcgetattr');
      libc().cfmakeraw(termios);
      must(libc().tcsetattr(slave, SET_NOW, termios), 'tcsetattr');
      return termios;
    });
    return { fd, slavePath, raw };
  } catch (error) {
    closeSync(fd);
    if (error instanceof BridgeError) throw error;
    throw new BridgeError(
      'UNSUPPORTED',
      `The new pseudo-terminal cannot be opened: ${(error as Error).message}.`,
      {
        cause: error,
      },
    );
  }
}

/**
 * Back to the state of a new line: raw settings, nothing left that the last host did not read. The kernel keeps
 * that in two places: the master's end reaches what is on its way, the slave's what its line discipline holds.
 */
export function resetPty(pty: PtyDevice): void {
  discardOutput(pty.fd);
  try {
    withSlave(pty.slavePath, (slave) => {
      discardInput(slave);
      libc().tcsetattr(slave, SET_NOW, pty.raw);
    });
  } catch {
    // The last host has locked the slave: the next one finds it as it was left.
  }
}

/** A second descriptor of the same open file. */
export function duplicate(fd: number): number {
  return must(libc().fcntl(fd, DUPLICATE_CLOSE_ON_EXEC, 'int', 0), 'fcntl');
}
