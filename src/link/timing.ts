/**
 * Every timeout of the link, with its default, its range and its reason. All in milliseconds.
 */

/** The host's timers. */
export const HOST_TIMING = {
  /**
   * Wait for a reply's first packet before a round trip has been measured. Long enough for a script that is
   * inside a slow C call (compressing a large frame), which holds up the protocol.
   */
  initialReplyMs: 500,
  /**
   * Range of the measured wait. The lower floor covers one late turn of either event loop, and holds where packets are
   * lost; the higher one a process or a thread that waits for its turn on a busy machine. What was seen counts for
   * `memoryMs` to twice that.
   */
  minReplyMs: 60,
  cleanReplyMs: 250,
  maxReplyMs: 5_000,
  memoryMs: 30_000,
  /**
   * Longest pause between two fragments of a reply, acks off: the device sends them back to back. A packet whose
   * bytes are still arriving puts the end of a wait off by as much.
   */
  fragmentMs: 60,
  /** How long one packet may take to arrive in all: the largest on a line of 57,600 baud. */
  packetMs: 1_500,
  /**
   * With acks on the device repeats what was not acknowledged after 500 ms. Requests that are not
   * `quick` wait for that repetition, and as long for it as for any answer, but at least `repetitionSlackMs`; once a
   * part of the answer has come, for the second repetition as well, 1,000 ms later.
   */
  repetitionMs: 500,
  repetitionSlackMs: 100,
  ackFragmentMs: 1_800,
  /**
   * Wait for the answer to SYNC, or a reply's measured wait where that is shorter; doubled after each SYNC that
   * stays unanswered, up to the maximum. The sum (8 to 12 seconds) covers a device that boots. The settings that
   * follow are waited for at least twice as long as SYNC's answer took.
   */
  syncMs: 250,
  maxSyncMs: 2_000,
  /** SYNCs in a row that may stay unanswered. */
  syncAttempts: 8,
  /**
   * Longest time in all: a device that keeps sending old data, acks off, answers SYNC only after all of it, and
   * on a bad line the settings that follow may be lost again and again.
   */
  syncTotalMs: 30_000,
  /**
   * Pause between a reply's last ACK and the next request, acks on: sent back to back they leave the camera's
   * script no time at all while a latch that is open is polled. Requests that are `prompt` go without.
   */
  ackPauseMs: 1,
  /**
   * A tick later than this shows that the process was busy elsewhere. The driver has read the line by then, but an
   * answer may still be on its way through another thread that was held up as well: a thread pool that reads, a
   * camera in the same process. The wait goes on once for as long again.
   */
  stallMs: 20,
} as const;
