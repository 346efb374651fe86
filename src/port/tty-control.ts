/** Controls of an open tty: its locks, its modem lines and its queues. Linux and macOS. */
import { lastError, libc } from '../libc.js';

/** flock(2): LOCK_EX | LOCK_NB, LOCK_UN. */
const LOCK_AT_ONCE = 2 | 4;
const UNLOCK = 8;

/** TIOCM_DTR: "data terminal ready", the host is there. */
const DTR = 0x002;

/** TCIFLUSH, TCOFLUSH and the ioctl numbers of <asm-generic/ioctls.h> or of macOS's <sys/ttycom.h>. */
const NUMBERS =
  process.platform === 'darwin'
    ? {
        input: 1,
        output: 2,
        exclusive: 0x2000740d,
        shared: 0x2000740e,
        linesOn: 0x8004746c,
        linesOff: 0x8004746b,
        outputQueue: 0x40047473,
      }
    : {
        input: 0,
        output: 1,
        exclusive: 0x540c,
        shared: 0x540d,
        linesOn: 0x5416,
        linesOff: 0x5417,
        outputQueue: 0x5411,
      };
/** TIOCGEXCL, which Linux alone has. */
const LINUX_GET_EXCLUSIVE = 0x80045440;

/** What an ioctl that writes an `int` answers; undefined when it fails. */
function ask(fd: number, request: number): number | undefined {
  const value = Buffer.alloc(4);
  return libc().ioctl(fd, request, 'uint8_t *', value) === 0 ? value.readInt32LE(0) : undefined;
}

/**
 * Whether no other opening holds the advisory lock (`flock`) that serial programs take on a port. The lock belongs
 * to the open file, so a second opening by the same process or by root finds it taken as well.
 */
export function isUnlocked(fd: number): boolean {
  if (libc().flock(fd, LOCK_AT_ONCE) !== 0) return !['EAGAIN', 'EWOULDBLOCK'].includes(lastError());
  libc().flock(fd, UNLOCK);
  return true;
}

/** Whether another program made the tty exclusive. The kernel lets root in all the same, so root has to ask. */
export function isExclusive(fd: number): boolean {
  return process.platform === 'linux' && (ask(fd, LINUX_GET_EXCLUSIVE) ?? 0) !== 0;
}

/** From now on the kernel refuses to open the tty again (EBUSY), except to root. */
export function makeExclusive(fd: number): void {
  libc().ioctl(fd, NUMBERS.exclusive, 'int', 0);
}

/** Takes `makeExclusive` back: the mark outlives us while some other program has the tty open. */
export function makeShared(fd: number): void {
  libc().ioctl(fd, NUMBERS.shared, 'int', 0);
}

/** Raises or drops DTR alone. Answers the error's name, or `undefined` when it was done. */
export function setDtr(fd: number, on: boolean): string | undefined {
  const lines = Buffer.alloc(4);
  lines.writeInt32LE(DTR, 0);
  const failed = libc().ioctl(fd, on ? NUMBERS.linesOn : NUMBERS.linesOff, 'uint8_t *', lines) !== 0;
  return failed ? lastError() : undefined;
}

/** Bytes the driver has taken but not yet sent; 0 when it cannot tell. */
export function unsentBytes(fd: number): number {
  return ask(fd, NUMBERS.outputQueue) ?? 0;
}

/** Throws away what the driver has not sent: closing would otherwise wait up to 30 s for it. */
export function discardOutput(fd: number): void {
  libc().tcflush(fd, NUMBERS.output);
}

/** Throws away what has come in and was not read. */
export function discardInput(fd: number): void {
  libc().tcflush(fd, NUMBERS.input);
}
