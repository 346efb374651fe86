/**
 * Shared memory: what publishing costs beside a copy of the same bytes; how long until a frame is in the hands of a
 * reader in another process, in C++, Python and Node, beside a pipe, a Unix socket and Python's own polling; and what
 * goes through with one to four readers. All in one run, because only the ratios say something.
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { rate, row } from './measure.mjs';
import { pipe, ring, socket, vizn, workshop } from './shm-peers.mjs';

const SIZES = { '25 KB': 25_000, '100 KB': 100_000, '1 MB': 1_000_000 };
/**
 * Processors that have nothing to do go to sleep, and take their time to wake, above all virtual ones: measured while
 * they are awake, and at a camera's pace, with a pipe beside it in both.
 */
const PACES = [
  { name: 'processors awake, a frame every 0.1 ms', frames: 3_000, ms: 0.1 },
  { name: 'processors asleep in between, a frame every 5 ms', frames: 300, ms: 5 },
];
const FLOOD_MS = 500;

const frame = (jpeg, sequence, height = 1) => ({
  jpeg,
  width: 1,
  height,
  sequence,
  timestampNs: process.hrtime.bigint(),
});

const us = (value) => `${value.toFixed(value < 10 ? 2 : 1)} us`;

function publishing() {
  for (const [label, size] of Object.entries(SIZES)) {
    const bytes = new Uint8Array(size).fill(7);
    const target = new Uint8Array(size);
    const input = { jpeg: bytes, width: 1, height: 1, sequence: 1, timestampNs: 1n };
    const copy = 1e6 / rate(() => target.set(bytes));
    row(`copy, ${label}`, us(copy));
    for (const [name, store] of [
      ['VIZN', vizn(size)],
      ['ring', ring(size)],
    ]) {
      const time = 1e6 / rate(() => store.send(input));
      store.close();
      const aim = 2 * copy + 2;
      row(
        `publish in ${name}, ${label}`,
        us(time),
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
  const bytes = new Uint8Array(SIZES['25 KB']).fill(7);
  for (let n = 1; n <= pace.frames; n++) {
    await pause(pace.ms);
    await channel.send(frame(bytes, n));
  }
  await sleep(50);
  await channel.send(frame(bytes, pace.frames + 1, 2));
  const reports = await Promise.all(readers.map(({ report }) => report));
  channel.close();
  return reports;
}

async function latency(shop, pace) {
  console.log(`-- from publishing 25 KB to the reader's hands; ${pace.name}: median`);
  const size = SIZES['25 KB'];
  const [reference] = await paced(shop, pace, pipe(shop), ['c++']);
  const tell = (name, report) =>
    row(
      name,
      us(report.p50),
      `p99 ${us(report.p99)}, ${(report.p50 / reference.p50).toFixed(1)} x the pipe, ${report.frames} frames`,
    );
  const one = async (name, channel, language, mode) =>
    tell(name, (await paced(shop, pace, channel, [language], mode))[0]);
  tell('pipe to C++', reference);
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
  while (performance.now() - start < FLOOD_MS) {
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
  for (const [label, size] of Object.entries(SIZES)) {
    const through = await flood(shop, pipe(shop), size, 1);
    const tell = (name, { sent, got }) =>
      row(
        `${name}, ${label}`,
        `${((got * size) / 1e6).toFixed(0)} MB/s`,
        `each reader; ${got.toFixed(0)} of ${sent.toFixed(0)} frames/s, ${(got / through.got).toFixed(1)} x the pipe`,
      );
    tell('pipe, 1 reader', through);
    tell('Unix socket, 1 reader', await flood(shop, await socket(shop), size, 1));
    for (const readers of [1, 2, 3, 4]) {
      tell(
        `ring in place, ${readers} reader${readers > 1 ? 's' : ''}`,
        await flood(shop, ring(size, 'place', 32), size, readers),
      );
    }
  }
}

export default async function shm() {
  const shop = workshop();
  try {
    console.log('-- publishing');
    publishing();
    for (const pace of PACES) await latency(shop, pace);
    console.log('-- as fast as the writer can, readers in C++');
    await throughput(shop);
  } finally {
    shop.close();
  }
}
