import { BridgeError } from '../errors.js';
import { Flag, HEADER_SIZE, Opcode, SYNC_BYTE_0, SYNC_BYTE_1 } from '../protocol/index.js';
import { SYNC_PACKET } from './ack-finder.js';

/** Bytes that an error shows of what came. */
const SHOWN = 48;

const ALL_FLAGS = Object.values(Flag).reduce((sum, flag) => sum | flag, 0);
const OPCODES = new Set<number>(Object.values(Opcode));

/** Bytes as a person reads them: printable ASCII as it is, the rest as `\xNN`. */
export function printable(bytes: Uint8Array, limit = SHOWN): string {
  const text = Buffer.from(bytes.subarray(0, limit)).toString('latin1');
  const hex = (other: string) => `\\x${other.charCodeAt(0).toString(16).padStart(2, '0')}`;
  const shown = text
    .replaceAll('\r', '\\r')
    .replaceAll('\n', '\\n')
    .replace(/[^ -~]/g, hex);
  return bytes.length > limit ? `${shown}...` : shown;
}

/** Whether something that looks like a packet's header is among the bytes. */
function hasPacket(heard: Buffer): boolean {
  const mark = Buffer.from([SYNC_BYTE_0, SYNC_BYTE_1]);
  for (let at = heard.indexOf(mark); at >= 0; at = heard.indexOf(mark, at + 1)) {
    if (at + HEADER_SIZE > heard.length) return false;
    if ((heard[at + 4]! & ~ALL_FLAGS) === 0 && OPCODES.has(heard[at + 5]!)) return true;
  }
  return false;
}

type Answerer = 'echo' | 'prompt' | 'camera' | 'other';

function judge(heard: Buffer): Answerer {
  if (heard.includes(Buffer.from(SYNC_PACKET))) return 'echo';
  if (/>>>|MicroPython|Traceback|raw REPL/.test(heard.toString('latin1'))) return 'prompt';
  return hasPacket(heard) ? 'camera' : 'other';
}

/** Whether older firmware may have been there: what says clearly that it is something else is not asked for its version. */
export function mayBeLegacy(heard: Buffer): boolean {
  return heard.length === 0 || judge(heard) === 'other';
}

const ADVICE: Readonly<Record<Exclude<Answerer, 'camera'>, string>> = {
  echo: 'It sends back what it gets: a loop-back, or a board with another program. Choose another port.',
  prompt:
    'It is a MicroPython prompt. An OpenMV camera shows it when the baud rate is not 921600 or DTR is low, or when ' +
    'its firmware is older than 5.0: leave the baud rate alone and update the firmware with OpenMV IDE.',
  other: 'It is another device: choose another port.',
};

/**
 * The error of a probe whose SYNC was not acknowledged. `heard`: the first bytes that came, if any. `firmware`: the version
 * that older firmware named.
 */
export function probeFailed(name: string, attempts: number, heard: Buffer, firmware?: string): BridgeError {
  if (firmware !== undefined) {
    return new BridgeError(
      'FIRMWARE_TOO_OLD',
      `The camera on ${name} has firmware ${firmware}, and 5.0 or newer is needed. Connect it in OpenMV IDE, which offers ` +
        'the update, and try again.',
      { context: { path: name, firmware } },
    );
  }
  if (heard.length === 0) {
    return new BridgeError(
      'CAMERA_SILENT',
      `Nothing answers on ${name} (${attempts} attempts). Check that this is the camera's port ` +
        '(`openmv-bridge list`). If it is, reset the camera or plug it in again, and let OpenMV IDE update its firmware ' +
        'when that does not help.',
      { context: { path: name, attempts } },
    );
  }
  const context = { path: name, attempts, heard: heard.toString('hex') };
  const answerer = judge(heard);
  if (answerer === 'camera') {
    return new BridgeError(
      'CAMERA_PROTOCOL',
      `The camera on ${name} sends packets but does not acknowledge SYNC. Reset it or plug it in again.`,
      { context },
    );
  }
  return new BridgeError(
    'NOT_A_CAMERA',
    `${name} does not answer as an OpenMV camera does: it sent "${printable(heard)}". ${ADVICE[answerer]}`,
    { context },
  );
}
