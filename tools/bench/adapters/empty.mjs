/** An adapter that says OK to everything without a look: what is left is the protocol. `empty.mjs MS` waits so long before. */
import process from 'node:process';

const WAIT_MS = Number(process.argv[2] ?? 0);

function send(message) {
  const body = Buffer.from(JSON.stringify(message));
  const prefix = Buffer.alloc(4);
  prefix.writeUInt32BE(body.length);
  process.stdout.write(Buffer.concat([prefix, body]));
}

send({ type: 'hello', sdk_version: 'empty', capabilities: ['ping', 'call', 'shutdown', 'execute'] });
let pending = Buffer.alloc(0);
process.stdin.on('data', (chunk) => {
  pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
  while (pending.length >= 4 && pending.length >= 4 + pending.readUInt32BE(0)) {
    const end = 4 + pending.readUInt32BE(0);
    const message = JSON.parse(pending.toString('utf8', 4, end));
    pending = pending.subarray(end);
    if (message.type === 'call') {
      const data = { step_index: 1, result_status: 'OK', defect_rects: [] };
      const answer = () => send({ type: 'result', request_id: message.request_id, status: 'OK', data });
      if (WAIT_MS > 0) setTimeout(answer, WAIT_MS);
      else answer();
    } else if (message.type === 'ping') send({ type: 'pong', request_id: message.request_id });
    else if (message.type === 'shutdown') process.exit(0);
  }
});
process.stdin.on('end', () => process.exit(0));
