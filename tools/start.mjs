/**
 * What `npm start` runs: the virtual camera with the example algorithm and the page, until Ctrl-C. The algorithm is the
 * one in Python; where there is no python3, the same one in JavaScript.
 */
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

const PAGE_PORT = 8080;

const algorithm = (name) => fileURLToPath(new URL(`algorithms/${name}`, import.meta.url));
const hasPython =
  spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']).status === 0;
if (!hasPython)
  console.error('python3 (3.9 or newer) was not found: the example algorithm runs in Node instead.');
const command = hasPython
  ? ['python3', algorithm('example_algorithm.py')]
  : [process.execPath, algorithm('example_algorithm.mjs')];

/** The usual port of the page, or any where another program has that. */
const port = await new Promise((resolve) => {
  const probe = createServer();
  probe.once('error', () => resolve(0));
  probe.listen(PAGE_PORT, '127.0.0.1', () => probe.close(() => resolve(PAGE_PORT)));
});

process.argv.splice(2, 0, '--port', 'virtual', '--http', String(port));
process.argv.push('--', ...command);
await import('../dist/cli/main.js');
