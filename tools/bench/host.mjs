/**
 * End to end on a pseudo-terminal: the bridge beside a minimal host in C, on the same camera and in turns, so that what else
 * the machine does meets both. Two cameras: one in C that takes next to no time, which leaves the host as the slower end,
 * and the virtual camera, which runs the real script. Each figure is the median of several rounds, each ratio
 * the median of the rounds' ratios. The rate by the median interval between two frames leaves out what other programs on
 * the machine interrupt.
 */
import { noCompiler, workshop } from './native.mjs';
import { either, median, row, skipped } from './report.mjs';

const ROUNDS = 5;

/** What takes part, by name; each resolves to frames a second and processor time a frame. */
const bridge = (input) => (shop, port, times) => shop.bridges([{ port, ...input }], times);
const hostInC = (pattern, ack) => (shop, port, times) => shop.hostInC(port, pattern, { ack, ...times });

const CONTESTS = {
  'acks off': {
    'C host, SHAPE and two READs': hostInC('plain', false),
    'C host, one READ of the window': hostInC('window', false),
    'C host, release and next READ in one write': hostInC('ahead', false),
    'bridge, no shared memory': bridge({ shm: false }),
    'bridge, default': bridge({}),
  },
  'acks on': {
    'C host, one READ of the window': hostInC('window', true),
    'bridge, default': bridge({ ack: 'on' }),
  },
};
/** The best that one wait a frame can give without guessing. */
const MEASURE = 'C host, one READ of the window';

async function contest(shop, title, port, sides) {
  const times = { warmUpMs: either(700, 300), durationMs: either(1_500, 600) };
  const results = Object.fromEntries(Object.keys(sides).map((name) => [name, []]));
  for (let round = 0; round < either(ROUNDS, 1); round++) {
    for (const [name, pull] of Object.entries(sides)) results[name].push(await pull(shop, port, times));
  }
  const steady = ({ intervalMs }) => 1_000 / intervalMs.p50;
  const figures = { rate: (one) => one.framesPerSecond, steady, cpu: (one) => one.cpuMsPerFrame };
  const figure = (name, of) => median(results[name].map(of));
  const ratio = (name, of) =>
    median(results[name].map((one, round) => of(one) / of(results[MEASURE][round])));
  for (const name of Object.keys(sides)) {
    const label = `${title}: ${name}`;
    const beside = (of) =>
      name === MEASURE ? '' : `${ratio(name, of).toFixed(2)} x the C host's with one READ`;
    row(label, figure(name, figures.rate), 'frames/s', beside(figures.rate));
    row(`${label}, by the median interval`, figure(name, figures.steady), 'frames/s', beside(figures.steady));
    row(`${label}, processor time`, figure(name, figures.cpu), 'ms', beside(figures.cpu));
  }
}

export default async function host() {
  if (noCompiler) return skipped('bridge beside a host in C', noCompiler);
  const shop = workshop();
  try {
    for (const [kind, start] of [
      ['camera in C', () => shop.cameraInC()],
      ['virtual camera', () => shop.virtualCamera()],
    ]) {
      const camera = await start();
      for (const [acks, sides] of Object.entries(CONTESTS).slice(either(0, -1))) {
        await contest(shop, `${kind}, ${acks}`, camera.port, sides);
      }
      await camera.stop();
    }
  } finally {
    shop.close();
  }
}
