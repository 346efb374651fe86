/** Recordings in MCAP: what a bridge has seen and told, for later. Loaded when it is used. */
export { type LiveOptions, LiveServer } from './live.js';
export { Recorder, type RecorderOptions, recorderOf } from './recorder.js';
export { type Recovered, recoverFile } from './recover.js';
export { CHANNEL_KINDS, type ChannelKind, SCHEMAS, topicOf } from './schemas.js';
export type { WireTap } from './wire-tap.js';
