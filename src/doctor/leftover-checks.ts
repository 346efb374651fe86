/** What killed bridges of this user left: the next start clears most of it. */
import { findLeftoverSockets } from '../control/index.js';
import { findLeftoverAdapters } from '../runner/index.js';
import { findShmLeftovers } from '../shm/index.js';
import { type Check, ok, quoted, warning } from './check.js';

/** Named in the text; the command has all of them. */
const MOST_NAMED = 5;

const some = (words: readonly string[]): string =>
  words.length > MOST_NAMED
    ? `${words.slice(0, MOST_NAMED).join(', ')} and ${words.length - MOST_NAMED} more`
    : words.join(', ');

export async function checkLeftovers(): Promise<Check[]> {
  return [leftInMemory(), leftRunning(), await leftSockets()];
}

function leftInMemory(): Check {
  const name = 'leftovers in shared memory';
  const found = findShmLeftovers();
  if (found.length === 0) return ok(name, 'Nothing of a killed bridge is in shared memory.');
  const text = some(found.map(({ kind, path }) => `${path} (${kind})`));
  const paths = found.map(({ path }) => quoted(path));
  return warning(
    name,
    `Killed programs left ${text}. A bridge with the same names clears it.`,
    `rm -r ${paths.join(' ')}`,
  );
}

function leftRunning(): Check {
  const name = 'algorithms left running';
  const found = findLeftoverAdapters();
  if (found.length === 0) return ok(name, 'No algorithm of a killed bridge runs.');
  const text = some(found.map(({ pid, command }) => `${command} (process ${pid})`));
  const groups = found.map(({ pid }) => `-${pid}`);
  return warning(
    name,
    `Algorithms of killed bridges still run: ${text}. The next bridge with an algorithm ends them.`,
    `kill -- ${groups.join(' ')}`,
  );
}

async function leftSockets(): Promise<Check> {
  const name = 'control sockets left';
  const found = await findLeftoverSockets();
  if (found.length === 0) return ok(name, 'No control socket is there without a bridge.');
  const text = `No program serves ${some(found)}. The next bridge with that socket takes its place.`;
  return warning(name, text, `rm ${found.map(quoted).join(' ')}`);
}
