/** An adapter that does one odd thing at each call of a number: `node odd.mjs WHAT NUMBER`; 0: at every call. */
import process from 'node:process';
import { frame, hello, messages, ok, write } from '../../runner/fixtures/frames.mjs';

const [, , what = '', at = '1'] = process.argv;
let calls = 0;

const odd = {
  error: (message) => write({ ...ok(message), status: 'ERROR', message: 'no light', error_code: '1009' }),
  crash: () => {
    throw new Error('the model is empty');
  },
  duplicate: (message) => {
    write(ok(message));
    write(ok(message));
    write(ok({ request_id: '00000000-0000-4000-8000-000000000000' }));
  },
  'odd-ng': (message) => {
    const data = { step_index: 1, result_status: 'NG', defect_rects: [{ x: -9, y: 0, width: 5, height: 5 }] };
    write({ ...ok(message), data });
  },
  news: (message) => {
    write({ type: 'news' });
    write(ok(message));
  },
  print: () => process.stdout.write('loading weights...\n'),
};

if (what === 'print-and-exit') process.stdout.write('hi\n', () => process.exit(0));
else {
  hello();
  for await (const message of messages()) {
    if (message.type === 'ping') {
      write({ type: 'pong', request_id: message.request_id, timestamp_ms: Date.now(), status: 'OK' });
    }
    if (message.type === 'shutdown') {
      process.stdout.write(frame({ type: 'shutdown', timestamp_ms: Date.now(), status: 'OK' }), () =>
        process.exit(0),
      );
    }
    if (message.type !== 'call') continue;
    calls++;
    if (Number(at) === 0 || calls === Number(at)) odd[what](message);
    else write(ok(message));
  }
}
