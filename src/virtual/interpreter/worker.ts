/**
 * The Worker in which a virtual camera lives, from power-on or a soft reboot to the next one (vendor:
 * ports/stm32/main.c). It never returns to its event loop: it waits for the host in `Atomics.wait`.
 */
import { workerData } from 'node:worker_threads';
import {
  ChannelId,
  type MemoryEntry,
  StdinEvent,
  SystemEvent,
  type SystemInfo,
  type VersionInfo,
  versionText,
} from '../../protocol/index.js';
import { Board } from '../device/board.js';
import type { DeviceIdentity } from '../device/device-types.js';
import { Pins } from '../device/pins.js';
import { Sensor } from '../sensor/sensor.js';
import { CHANNEL_WORDS } from './codes.js';
import { Interpreter, type PythonCall } from './interpreter.js';
import type { WorkerSetup } from './messages.js';
import { createPrimitives, type Machine, registerBuiltIn } from './primitives.js';
import { PythonChannels } from './python-channels.js';

/** The prompt's text, as the firmware's REPL prints it when no script is left to run. */
const HELP = 'Type "help()" for more information.\n>>> ';

const setup = workerData as WorkerSetup;

function start(): Promise<void> {
  let machine: Machine | undefined;
  let memoryOf: (() => MemoryEntry[]) | undefined;
  let keepFiles: (() => void) | undefined;
  const reset = (): never => {
    keepFiles?.();
    return board.halt({ type: 'reset', captures: machine?.sensor.captures ?? setup.captures });
  };
  const identity: DeviceIdentity = {
    version: (): VersionInfo => setup.identity.version,
    systemInfo: (): SystemInfo => setup.identity.system,
    memory: () => memoryOf?.() ?? [],
    reset,
  };
  const board = new Board(setup, identity);
  registerBuiltIn(board);
  const made = (): Machine => machine!;
  const fatal = (error: unknown): never => {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return board.halt({ type: 'failed', message });
  };
  return Interpreter.start(
    (text) => board.print(text),
    () => createPrimitives(made, uniqueId(), fatal),
    setup.files,
  ).then((interpreter) => {
    const sensor = new Sensor(setup, interpreter, board);
    const channels = new PythonChannels(interpreter, setup.maxPayload);
    const drivePin = interpreter.lookup('_board', 'drive_pin');
    const pins = new Pins((pin, level) => void drivePin(pin, level));
    machine = { board, sensor, channels, pins, reset };
    board.pins = pins;
    keepFiles = () => board.post({ type: 'files', files: interpreter.files() });
    board.shelf = sensor.shelf;
    board.interrupt = () => interpreter.interrupt();
    board.idleness.frameWaits = () => sensor.captures > setup.captures && channels.ready;
    const memory = interpreter.lookup('_board', 'memory');
    memoryOf = () => memoryEntries(interpreter, memory);
    board.post({ type: 'ready' });
    const meetInterrupt = interpreter.lookup('_board', 'meet_interrupt');
    runScripts(board, (script, fileName) => {
      runScript(board, interpreter, meetInterrupt, script, fileName);
      keepFiles?.();
    });
    const { captures } = sensor;
    const { stdout, preview } = board;
    board.halt({ type: 'soft-reboot', stdout: stdout.unread(), preview: preview.enabled, captures });
  });
}

/** main.py after power-on, then what the host sends; returns when a script of the host's has ended. */
function runScripts(board: Board, run: (script: string, fileName: string) => void): void {
  const { stdin } = board;
  const main = setup.files['main.py'];
  if (setup.runMain && main) run(new TextDecoder().decode(main), 'main.py');
  let script = stdin.script();
  while (script === undefined) {
    // At each stop the REPL begins again.
    const { firmware } = setup.identity.version;
    board.print(`OpenMV v${versionText(firmware)}; MicroPython; openmv-bridge virtual camera\n${HELP}`);
    board.idle();
    script = stdin.script();
  }
  run(script, '<stdin>');
  stdin.clear();
  board.sendEvent(0, SystemEvent.SOFT_REBOOT, false);
  board.print('MPY: soft reboot\n');
}

function runScript(
  board: Board,
  interpreter: Interpreter,
  meetInterrupt: PythonCall,
  script: string,
  fileName: string,
): void {
  const { stdin } = board;
  board.forgetStop();
  stdin.running = true;
  board.sendEvent(ChannelId.STDIN, StdinEvent.STARTED, false);
  const traceback = interpreter.run(script, fileName);
  if (traceback !== undefined) board.print(traceback);
  stdin.running = false;
  meetInterrupt(0, 0);
  board.forgetStop();
  board.sendEvent(ChannelId.STDIN, StdinEvent.STOPPED, false);
}

function memoryEntries(interpreter: Interpreter, ask: PythonCall): MemoryEntry[] {
  ask(0, 0);
  const used = interpreter.word(CHANNEL_WORDS);
  const total = interpreter.bytes.length;
  return [{ type: 'gc', flags: 0, total, used, free: total - used, persist: 0, peak: used }];
}

function uniqueId(): string {
  const [high, middle, low] = setup.identity.system.deviceId;
  return [low, middle, high].map((word) => word.toString(16).padStart(8, '0')).join('');
}

// MicroPython's package starts a REPL when it takes itself for the program that was run.
process.argv.splice(1);
await start();
