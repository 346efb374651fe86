/** Numbers that the Python and the TypeScript half of the firmware share. */

/**
 * Words for arguments and results that do not fit into small integers. The first eight belong to primitives, the
 * others, from CHANNEL_WORDS on, to calls of channels: those come at any jump of the script, also between a
 * primitive's return and the reading of its results.
 */
export const SHARED_WORDS = 16;
export const CHANNEL_WORDS = 8;

/** Result of a primitive that was cut short because the script is being stopped. */
export const INTERRUPTED = -100;

/** Results of making a JPEG or drawing pixels. */
export const NO_ROOM = -1;
export const COMPRESSION_FAILED = -2;

/** Added to bounds of colours, which may be negative: shared words are not. */
export const BOUND_OFFSET = 1_000;

/** A channel's methods: bits in the mask that `register` passes, and numbers in calls of `dispatch`. */
export const Method = {
  POLL: 0,
  SIZE: 1,
  SHAPE: 2,
  READP: 3,
  READ: 4,
  WRITE: 5,
  IOCTL: 6,
  LOCK: 7,
  UNLOCK: 8,
} as const;
