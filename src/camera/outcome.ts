/** From a link outcome to a value, or to the error that says why there is none. */
import { BridgeError } from '../errors.js';
import type { LinkOutcome, LossReason } from '../link/index.js';
import { opcodeName, statusName } from '../protocol/index.js';

const LOSSES: Record<LossReason, (what: string) => BridgeError> = {
  timeout: (what) =>
    new BridgeError(
      'CAMERA_SILENT',
      `The camera did not answer ${what} in time; the link was synchronised again.`,
    ),
  sequence: (what) =>
    new BridgeError('CAMERA_PROTOCOL', `The camera lost count at ${what}; the link was synchronised again.`),
  reboot: (what) =>
    new BridgeError('CAMERA_REBOOTED', `The camera restarted its interpreter during ${what}.`),
  closed: (what) => new BridgeError('PORT_CLOSED', `The connection to the camera ended during ${what}.`),
};

/** The error of an outcome that is not a success. */
export function outcomeError(outcome: LinkOutcome, opcode: number, channel: string): BridgeError {
  const what = `${opcodeName(opcode)}${channel ? ` on channel ${channel}` : ''}`;
  if (outcome.kind === 'lost') return LOSSES[outcome.reason](what);
  if (outcome.kind === 'nak') {
    return new BridgeError('CAMERA_REFUSED', `The camera refused ${what}: ${statusName(outcome.status)}.`, {
      context: { opcode: opcodeName(opcode), channel, status: statusName(outcome.status) },
    });
  }
  return new BridgeError(
    'CAMERA_PROTOCOL',
    `The camera answered ${what} in an unexpected form (${outcome.kind}).`,
    {
      context: { opcode: opcodeName(opcode), channel, outcome: outcome.kind },
    },
  );
}

/** The payload of a data reply. */
export function expectReply(outcome: LinkOutcome, opcode: number, channel = ''): Uint8Array {
  if (outcome.kind === 'reply') return outcome.payload;
  throw outcomeError(outcome, opcode, channel);
}

export function expectAck(outcome: LinkOutcome, opcode: number, channel = ''): void {
  if (outcome.kind !== 'ack') throw outcomeError(outcome, opcode, channel);
}
