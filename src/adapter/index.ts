/** The wire of algorithm adapters: framing, messages, dialects. Used by both of its ends. */
export * from './dialects.js';
export * from './error-codes.js';
export * from './framing.js';
export * from './messages.js';
