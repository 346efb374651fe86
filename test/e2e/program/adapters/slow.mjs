/**
 * An algorithm whose calls take their time, and that says what it does: `node slow.mjs CALL_MS|FILE [LOAD_MS] [CODE]`. Its
 * log has `call 3` when it begins on frame 3, and `teardown` when it is told to end. With a file a call ends when that is
 * there. With a code every call fails.
 */
import { existsSync } from 'node:fs';
import process from 'node:process';
import { hello, messages, ok, sleep, write } from '../../runner/fixtures/frames.mjs';

const callMs = Number(process.argv[2]);
const gate = Number.isNaN(callMs) ? process.argv[2] : undefined;
const loadMs = Number(process.argv[3] ?? 0);
const code = process.argv[4];

hello();
await sleep(loadMs);
for await (const message of messages()) {
  if (message.type === 'shutdown') {
    process.stderr.write('teardown\n');
    write({ type: 'shutdown', timestamp_ms: Date.now(), status: 'OK' });
    process.stdout.end(() => process.exit(0));
  }
  if (message.type === 'ping') write({ type: 'pong', request_id: message.request_id });
  if (message.type !== 'call') continue;
  process.stderr.write(`call ${Number(message.data.guide_image_shm_id.slice(-8))}\n`);
  while (gate !== undefined && !existsSync(gate)) await sleep(20);
  if (gate === undefined) await sleep(callMs);
  if (code === undefined) write(ok(message));
  else write({ type: 'error', request_id: message.request_id, message: 'no light', error_code: code });
}
