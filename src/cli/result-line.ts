/** How an algorithm's results and log lines are told: to programs and to people. */
import type { LogLine } from '../runner/index.js';

export { logLine, resultLine } from '../bridge/json-lines.js';

/** What a line says, for people: the message of a structured one, and its fields behind it. */
export function logText({ message, fields = {} }: LogLine): string {
  const rest = Object.entries(fields).map(
    ([name, value]) => ` ${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  return message + rest.join('');
}
