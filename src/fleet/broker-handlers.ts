/** What a run is told of a broker, whichever it is. */
import type { BridgeError } from '../errors.js';

export interface BrokerHandlers {
  /** It is away, or does not allow something; once for each time it is. */
  failed(cameraId: string, error: BridgeError): void;
  /** It is back; `lost` messages were left out. */
  recovered(cameraId: string, lost: number): void;
  /** The run has ended, and these messages have not reached it. */
  unsent(cameraId: string, count: number): void;
}
