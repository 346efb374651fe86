/**
 * The one error type of the library. `code` is stable and meant for programs, `message` is meant for people
 * and says what to do next, `context` carries the values involved.
 */

/** Every code a `BridgeError` can carry. Codes are added, never renamed. */
export const ERROR_CODES = [
  'PORT_NOT_FOUND',
  'PORT_DENIED',
  'PORT_BUSY',
  'PORT_FAILED',
  'PORT_CLOSED',
  'NOT_A_CAMERA',
  'FIRMWARE_TOO_OLD',
  'CAMERA_SILENT',
  'CAMERA_PROTOCOL',
  'CAMERA_REFUSED',
  'CAMERA_REBOOTED',
  'CHANNEL_MISSING',
  'SCRIPT_FAILED',
  'SCRIPT_EXCEPTION',
  'FRAME_CORRUPT',
  'FRAME_TOO_LARGE',
  'FRAME_DATA_INVALID',
  'SHM_FULL',
  'SHM_IN_USE',
  'SHM_TOO_SMALL',
  'SHM_INVALID',
  'SHM_NOT_FOUND',
  'SHM_FAILED',
  'RUNNER_NOT_FOUND',
  'RUNNER_EXITED',
  'RUNNER_TIMEOUT',
  'RUNNER_PROTOCOL',
  'ALGORITHM_FAILED',
  'OPTION_INVALID',
  'FILE_FAILED',
  'HTTP_FAILED',
  'HTTP_DENIED',
  'HTTP_INVALID',
  'HTTP_NOT_FOUND',
  'HTTP_BUSY',
  'BROKER_FAILED',
  'BROKER_DENIED',
  'RECORDING_ENDED',
  'REPLAY_DIVERGED',
  'BRIDGE_CLOSED',
  'SUBSCRIBER_FAILED',
  'UNSUPPORTED',
  'INTERNAL',
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export interface BridgeErrorOptions {
  /**
   * Values that help to understand the error; plain data, safe to print as JSON. `options`: keys of the options of a bridge
   * that it is about, for programs that have other names for them.
   */
  context?: Readonly<Record<string, unknown>>;
  cause?: unknown;
}

export class BridgeError extends Error {
  override readonly name = 'BridgeError';
  readonly code: ErrorCode;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: BridgeErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.context = options.context ?? {};
  }
}

/** Files that a process must be able to open: its modules, which are loaded at the same time, need some 170 for a moment. */
export const LEAST_FILES = 256;

const TOO_MANY_FILES: Readonly<Record<string, string>> = {
  EMFILE:
    'This process may not open more files: raise its limit, in a shell by `ulimit -n 1024`, in a systemd unit by LimitNOFILE=1024.',
  ENFILE:
    'This machine has too many files open: end other programs, or raise its limit by `sudo sysctl fs.file-max=1000000`.',
};

/** What to do when there are no descriptors left; undefined: it is another error. */
export function tooManyFiles(error: unknown): string | undefined {
  return TOO_MANY_FILES[String((error as { readonly code?: unknown } | undefined)?.code)];
}

/**
 * `error` itself when it is a `BridgeError`, else one with `code` around it. Without a `code`: FILE_FAILED when no more files
 * may be open, else INTERNAL.
 */
export function asBridgeError(error: unknown, code?: ErrorCode): BridgeError {
  if (error instanceof BridgeError) return error;
  const tooMany = tooManyFiles(error);
  if (tooMany !== undefined) return new BridgeError(code ?? 'FILE_FAILED', tooMany, { cause: error });
  const message = error instanceof Error ? error.message : String(error);
  return new BridgeError(code ?? 'INTERNAL', message, { cause: error });
}

/** Where an error belongs: a camera, and what its frames go to. */
export interface ErrorPlace {
  readonly cameraId?: string | undefined;
  readonly sink?: string | undefined;
}

/** The JSON line of an error. (Here, so that a program which prints one needs no more than this file.) */
export function errorLine({ code, message, context }: BridgeError, { cameraId, sink }: ErrorPlace = {}) {
  const camera = cameraId ?? context['cameraId'];
  return {
    type: 'error' as const,
    timestampMs: Date.now(),
    ...(typeof camera === 'string' ? { cameraId: camera } : {}),
    ...(sink === undefined ? {} : { sink }),
    ...{ code, message },
  };
}
