/** Exit statuses: what each means, and which errors end in it. Imports nothing: it is there before everything else. */
import type { BridgeError, ErrorCode } from '../errors.js';

export const EXIT = {
  done: 0,
  no: 1,
  usage: 2,
  port: 3,
  camera: 4,
  algorithm: 5,
  storage: 6,
  defect: 70,
  impatient: 130,
} as const;

/** For help and documents. */
export const EXIT_STATUSES: Readonly<Record<number, string>> = {
  [EXIT.done]: 'done, or stopped by the user; also when the reader of stdout has gone',
  [EXIT.no]:
    "the answer is no: a script's exception (exec), an NG (algo run), a changed verdict (algo replay), a command refused (ctl), something failed (doctor)",
  [EXIT.usage]: 'wrong usage or configuration, also a name in shared memory or an HTTP port that is taken',
  [EXIT.port]: 'no usable port or broker, or nothing seen of a segment (watch)',
  [EXIT.camera]: 'the camera failed',
  [EXIT.algorithm]:
    'the algorithm failed, breaks the protocol (algo check), or left frames without a verdict (algo run and replay: some, run: all)',
  [EXIT.storage]:
    'no room or no permission for files or shared memory; a pipeline that did not finish its file',
  [EXIT.defect]: 'a defect of this program',
  [EXIT.impatient]: 'interrupted twice: what was under way was cut short',
};

const OF_CODES: readonly (readonly [status: number, codes: readonly ErrorCode[]])[] = [
  [EXIT.no, ['REPLAY_DIVERGED']],
  [
    EXIT.usage,
    ['OPTION_INVALID', 'UNSUPPORTED', 'HTTP_FAILED', 'SHM_IN_USE', 'SHM_TOO_SMALL', 'SHM_INVALID'],
  ],
  [
    EXIT.port,
    [
      'BROKER_FAILED',
      'BROKER_DENIED',
      'PORT_NOT_FOUND',
      'PORT_DENIED',
      'PORT_BUSY',
      'PORT_FAILED',
      'NOT_A_CAMERA',
      'SHM_NOT_FOUND',
    ],
  ],
  [
    EXIT.algorithm,
    ['RUNNER_NOT_FOUND', 'RUNNER_EXITED', 'RUNNER_TIMEOUT', 'RUNNER_PROTOCOL', 'ALGORITHM_FAILED'],
  ],
  [EXIT.storage, ['SHM_FULL', 'SHM_FAILED', 'FILE_FAILED']],
  [EXIT.defect, ['INTERNAL']],
];

/** The status a program ends with because of an error. */
export function exitStatus(error: BridgeError): number {
  return OF_CODES.find(([, codes]) => codes.includes(error.code))?.[0] ?? EXIT.camera;
}
