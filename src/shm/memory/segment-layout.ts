/** What segments of any layout have in common for those who make, replace and read them. */

/** What a segment needs to know of the layout in it. */
export interface SegmentLayout {
  /** The option that names segments of this layout, for what is said of a name that is taken. */
  readonly option: string;
  /** The first word of the header, in host byte order. */
  readonly magic: number;
  /** Bytes. */
  readonly headerSize: number;
  /** Where the header has room for an owner record (24 bytes); a multiple of 8. */
  readonly ownerOffset: number;
  /** Brings a dead owner's segment into a state that its readers can leave, when it died in the middle of a write. */
  readonly retire?: (fd: number) => void;
  /** Where, in a segment of that size, the word stands that readers wait on; a multiple of 4. */
  readonly wakeOffset?: (size: number) => number;
}

/** Bounds what a wrong option, or a foreign file, can make us map. */
export const MAX_SEGMENT_SIZE = 2 ** 30;
