/** Exit statuses, as DESIGN and README document them. */
import type { BridgeError, ErrorCode } from '../errors.js';

export const EXIT = {
  done: 0,
  scriptException: 1,
  /** Of `algo run`: every picture has a verdict, and some are NG. */
  someNg: 1,
  usage: 2,
  port: 3,
  camera: 4,
  algorithm: 5,
  defect: 70,
} as const;

const USAGE: readonly ErrorCode[] = [
  'OPTION_INVALID',
  'SHM_IN_USE',
  'SHM_TOO_SMALL',
  'SHM_INVALID',
  'SHM_FULL',
  'SHM_NOT_FOUND',
  'SHM_FAILED',
  'FILE_FAILED',
  'UNSUPPORTED',
];
const PORT: readonly ErrorCode[] = [
  'PORT_NOT_FOUND',
  'PORT_DENIED',
  'PORT_BUSY',
  'PORT_FAILED',
  'NOT_A_CAMERA',
];
const ALGORITHM: readonly ErrorCode[] = [
  'RUNNER_NOT_FOUND',
  'RUNNER_EXITED',
  'RUNNER_TIMEOUT',
  'RUNNER_PROTOCOL',
  'ALGORITHM_FAILED',
];

/** The status a program ends with because of an error. */
export function exitStatus(error: BridgeError): number {
  if (USAGE.includes(error.code)) return EXIT.usage;
  if (PORT.includes(error.code)) return EXIT.port;
  if (ALGORITHM.includes(error.code)) return EXIT.algorithm;
  return EXIT.camera;
}
