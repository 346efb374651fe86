/** Recordings read again: what went over a line, packet by packet. */

export { ANSWERED, noCamera } from './frame-line.js';
export type { FrameReplay, ReplayedFrame } from './frame-replay.js';
export { isMcap } from './mcap.js';
export { figuresText, type PacketFigures, PacketStats } from './packet-stats.js';
export { flagsText, itemText, PacketWords, troubleOf } from './packet-words.js';
export { pcapngBlock, pcapngHead } from './pcapng.js';
export { readWire } from './read-wire.js';
export {
  type RecordedFrame,
  type RecordedItem,
  type RecordedLine,
  readRecorded,
  readRecordedLines,
} from './recorded-frames.js';
export { Replay, type ReplayedLine, type ReplayOptions, replayOf } from './replay.js';
export { entriesOf, type Side, type WireEntries, type WireEntry } from './wire.js';
export { wireLine } from './wire-lines.js';
export { type WireItem, type WireNoise, type WirePacket, WirePackets, wireItems } from './wire-packets.js';
