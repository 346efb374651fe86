/**
 * Shared memory: what publishing costs beside a copy of the same bytes; how long until a frame is in the hands of a
 * reader in another process, in C++, Python and Node, beside a pipe, a Unix socket and Python's own polling; and what
 * goes through with one to four readers. All in one run, because only the ratios say something.
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { either, rate, row, skipped } from './report.mjs';
import { noCompiler, pipe, ring, socket, vizn, workshop } from './shm-peers.mjs';

const ALL_SIZES = { '25 KB': 25_000, '100 KB': 100_000, '1 MB': 1_000_000 };
/**
 * Processors that have nothing to do go to sleep, and take their time to wake, above all virtual ones: measured while
 * they are awake, and at a camera's pace, with a pipe beside it in both.
 */
const PACES = [
  { name: 'every 0.1 ms', frames: 3_000, ms: 0.1 },
  { name: 'every 5 ms', frames: 300, ms: 5 },
];
const FLOOD_MS = 500;
const sizes = () => Object.entries(ALL_SIZES).slice(0, either(3, 1));

const frame = (jpeg, sequence, height = 1) => ({
  jpeg,
  width: 1,
  height,
  sequence,
  timestampNs: process.hrtime.bigint(),
});

const us = (value) => `${value.toFixed(value < 10 ? 2 : 1)} us`;

function publishing() {
  for (const [label, size] of sizes()) {
    const bytes = new Uint8Array(size).fill(7);
    const target = new Uint8Array(size);
    const input = { jpeg: bytes, width: 1, height: 1, sequence: 1, timestampNs: 1n };
    const copy = 1e6 / rate(() => target.set(bytes));
    row(`copy, ${label}`, copy, 'us');
    for (const [name, store] of [
      ['VIZN', vizn(size)],
      ['ring', ring(size)],
    ]) {
      const time = 1e6 / rate(() => store.send(input));
      store.close();
      const aim = 2 * copy + 2;
      row(
        `publish in ${name}, ${label}`,
        time,
        'us',
        `${(time / copy).toFixed(1)} x the copy, ${(time / aim).toFixed(2)} x (two copies + 2 us)`,
      );
    }
  }
}

async function pause(ms) {
  if (ms >= 1) return sleep(ms);
  const end = performance.now() + ms;
  do await turn();
  while (performance.now() < end);
}

/** Frames at a pace to readers that wait; resolves to their reports. */
async function paced(shop, pace, channel, languages, mode = channel.mode) {
  const readers = languages.map((language) => shop.reader(language, mode, channel.name));
  await Promise.all(readers.map(({ ready }) => ready));
  channel.start?.();
  await sleep(100);
  const bytes = new Uint8Array(ALL_SIZES['25 KB']).fill(7);
  const count = either(pace.frames, 20);
  for (let n = 1; n <= count; n++) {
    await pause(pace.ms);
    await channel.send(frame(bytes, n));
  }
  await sleep(50);
  await channel.send(frame(bytes, count + 1, 2));
  const reports = await Promise.all(readers.map(({ report }) => report));
  channel.close();
  return reports;
}

async function latency(shop, pace) {
  console.log(`-- from publishing 25 KB to the reader's hands, median`);
  const size = ALL_SIZES['25 KB'];
  const [reference] = await paced(shop, pace, pipe(shop), ['c++']);
  const tell = (name, report) =>
    row(
      `${pace.name}: ${name}`,
      report.p50,
      'us',
      `p99 ${us(report.p99)}, p99.9 ${us(report.p999)}, ${(report.p50 / reference.p50).toFixed(1)} x the pipe`,
    );
  const one = async (name, channel, language, mode) =>
    tell(name, (await paced(shop, pace, channel, [language], mode))[0]);
  tell('pipe to C++', reference);
  tell('a bare futex, no data', shop.futex(pace.ms, either(pace.frames, 20)));
  await one('Unix socket to C++', await socket(shop), 'c++');
  await one('VIZN to C++', vizn(size), 'c++');
  await one('ring to C++', ring(size), 'c++');
  await one('ring to C++, in place', ring(size), 'c++', 'place');
  await one('VIZN to Python', vizn(size), 'python');
  await one('ring to Python', ring(size), 'python');
  await one('VIZN to Node, off the event loop', vizn(size), 'node');
  await one('ring to Node, off the event loop', ring(size), 'node');
  await one('multiprocessing.shared_memory, polled', vizn(size), 'python', 'poll');
  const four = await paced(shop, pace, ring(size), ['c++', 'c++', 'c++', 'c++']);
  tell('ring to four in C++, the slowest', four.sort((a, b) => a.p50 - b.p50).at(-1));
}

/** Frames as fast as they can be sent. */
async function flood(shop, channel, size, readersWanted) {
  const readers = Array.from({ length: readersWanted }, () => shop.reader('c++', channel.mode, channel.name));
  await Promise.all(readers.map(({ ready }) => ready));
  channel.start?.();
  await sleep(100);
  const bytes = new Uint8Array(size).fill(7);
  const start = performance.now();
  let sent = 0;
  while (performance.now() - start < either(FLOOD_MS, 50)) {
    const wait = channel.send(frame(bytes, ++sent));
    if (wait) await wait;
  }
  const seconds = (performance.now() - start) / 1_000;
  await sleep(100);
  await channel.send(frame(bytes, sent + 1, 2));
  const reports = await Promise.all(readers.map(({ report }) => report));
  channel.close();
  const got = reports.reduce((sum, { frames }) => sum + frames, 0) / readersWanted;
  return { sent: sent / seconds, got: got / seconds };
}

async function throughput(shop) {
  for (const [label, size] of sizes()) {
    const through = await flood(shop, pipe(shop), size, 1);
    const tell = (name, { sent, got }) =>
      row(
        `${name}, ${label}`,
        (got * size) / 1e6,
        'MB/s',
        `each reader; ${got.toFixed(0)} of ${sent.toFixed(0)} frames/s, ${(got / through.got).toFixed(1)} x the pipe`,
      );
    tell('pipe, 1 reader', through);
    tell('Unix socket, 1 reader', await flood(shop, await socket(shop), size, 1));
    for (const readers of either([1, 2, 3, 4], [2])) {
      tell(
        `ring in place, ${readers} reader${readers > 1 ? 's' : ''}`,
        await flood(shop, ring(size, 'place', 32), size, readers),
      );
    }
  }
}

export default async function shm() {
  if (noCompiler) return skipped('shared memory', noCompiler);
  const shop = workshop();
  try {
    console.log('-- publishing');
    publishing();
    for (const pace of either(PACES, PACES.slice(-1))) await latency(shop, pace);
    console.log('-- as fast as the writer can, readers in C++');
    await throughput(shop);
  } finally {
    shop.close();
  }
}
