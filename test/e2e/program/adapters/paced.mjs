/**
 * An algorithm whose calls take long or short by the number of the frame, so that parallel ones overtake each other:
 * `node paced.mjs SLOW_MS [KIND]`. Every third frame is slow. Results tell which process they are from.
 */
import { existsSync, unlinkSync } from 'node:fs';
import process from 'node:process';
import { hello, messages, ok, sleep, write } from '../../runner/fixtures/frames.mjs';

const slowMs = Number(process.argv[2] ?? 60);
const kind = process.argv[3] ?? '';

process.stderr.write(
  `${JSON.stringify({ level: 'warning', timestamp_ms: 1, message: 'paced and ready', slow_ms: slowMs })}\n`,
);
hello();
for await (const message of messages()) {
  if (message.type === 'shutdown') process.exit(0);
  if (message.type === 'ping') write({ type: 'pong', request_id: message.request_id });
  if (message.type !== 'call') continue;
  const { data } = message;
  const id = data.guide_image_shm_id;
  const number = Number(id.slice(-8));
  const file = (name) => `${process.env.PROC_SHM_DIR}/${name.replace(/[^a-zA-Z0-9._-]/gu, '_')}.bin`;
  const files = [file(id), file(data.cur_image_shm_id)].map((path) => existsSync(path));
  if (kind === 'unlink' && number % 2 === 1) unlinkSync(file(id));
  if (number % 3 === 1) await sleep(slowMs);
  const ng = kind === 'odd-ng' && number % 2 === 1;
  const verdict = ng
    ? {
        result_status: 'NG',
        ng_reason: 'odd',
        defect_rects: [{ x: 40, y: 80, width: 100, height: 60, label: 'odd', score: 0.75 }],
      }
    : {};
  write(
    ok(message, {
      ...verdict,
      debug: {
        pid: process.pid,
        cwd: process.cwd(),
        strict: process.env.PROC_STRICT_STDIO,
        files,
        call: data,
      },
    }),
  );
}
