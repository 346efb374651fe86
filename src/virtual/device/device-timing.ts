/** The device's timers, in milliseconds, as the vendor's firmware has them (protocol/omv_protocol.h). */
export const DEVICE_TIMING = {
  /** Wait for the first ACK; doubled after each repetition: 0.5 + 1 + 2 + 4 s. */
  rtxTimeoutMs: 500,
  /** Repetitions before the device gives up and resets itself. */
  rtxRetries: 3,
  /** LOCK is allowed once in this time, over all channels. */
  lockIntervalMs: 10,
} as const;
