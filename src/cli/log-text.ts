/** How an algorithm's log lines are told to people. */
import type { LogLine } from '../runner/index.js';

/** What a line says, for people: the message of a structured one, and its fields behind it. */
export function logText({ message, fields = {} }: LogLine): string {
  const rest = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return message + rest.join('');
}
