/** The link's own two requests after SYNC: what the device can do, and what is agreed on. */
import { asBridgeError, BridgeError } from '../errors.js';
import {
  type Capabilities,
  DEVICE_MIN_PAYLOAD,
  decodeCaps,
  encodeCaps,
  HOST_MIN_PAYLOAD,
  Opcode,
  statusName,
} from '../protocol/index.js';
import type { LinkOutcome, LinkRequest } from './link-types.js';

const EMPTY = new Uint8Array(0);

/** Asks for the device's payload limit. A lost answer is found by the deadline, `waitMs` from now. */
export function getCapsRequest(
  waitMs: number,
  known: (limit: number) => void,
  failed: (error: BridgeError) => void,
): LinkRequest {
  return internal(Opcode.PROTO_GET_CAPS, EMPTY, waitMs, (outcome) => {
    if (outcome.kind !== 'reply') return;
    let limit: number;
    try {
      limit = decodeCaps(outcome.payload).maxPayload;
    } catch (error) {
      failed(asBridgeError(error));
      return;
    }
    known(limit);
  });
}

/** Sets what is wanted, as far as the device's limit allows. */
export function setCapsRequest(
  wanted: Capabilities,
  deviceLimit: number,
  waitMs: number,
  agreed: (caps: Capabilities) => void,
  failed: (error: BridgeError) => void,
): LinkRequest {
  const asked = Math.min(deviceLimit, Math.max(HOST_MIN_PAYLOAD, wanted.maxPayload));
  const maxPayload = Math.max(DEVICE_MIN_PAYLOAD, asked);
  const caps = { ...wanted, maxPayload };
  return internal(Opcode.PROTO_SET_CAPS, encodeCaps(caps), waitMs, (outcome) => {
    if (outcome.kind === 'ack') agreed(caps);
    else if (outcome.kind === 'nak') {
      failed(
        new BridgeError(
          'CAMERA_PROTOCOL',
          `The camera refused the link settings (max payload ${maxPayload}, status ${statusName(outcome.status)}). Try without --max-payload, and update its firmware to 5.x.`,
          { context: { maxPayload, status: outcome.status } },
        ),
      );
    }
  });
}

/** No attempts: nobody outside waits for it. */
function internal(
  opcode: number,
  payload: Uint8Array,
  timeoutMs: number,
  settle: (outcome: LinkOutcome) => void,
): LinkRequest {
  return { opcode, channel: 0, payload, attempts: 0, timeoutMs, settle };
}
