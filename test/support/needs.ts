/** Programs that some tests drive, and what to install where one is missing: such tests are skipped and counted. */
import { spawnSync } from 'node:child_process';
import { beforeEach, TestRunner } from 'vitest';

const runs = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
const elements = (...names: string[]): boolean => names.every((name) => runs('gst-inspect-1.0', name));

/** The browser of the page's tests. */
export const CHROMIUM = [process.env['CHROMIUM'], 'chromium', 'chromium-browser', 'google-chrome']
  .filter((name) => name !== undefined)
  .map((name) => spawnSync('which', [name], { encoding: 'utf8' }).stdout.trim())
  .find((path) => path !== '');

interface Need {
  readonly present: () => boolean;
  /** What to do about it. Package names are Debian's. */
  readonly advice: string;
}

const NEEDS = {
  python3: { present: () => runs('python3', '--version'), advice: 'apt-get install python3' },
  'g++': { present: () => runs('g++', '--version'), advice: 'apt-get install g++' },
  pgrep: { present: () => runs('pgrep', '-V'), advice: 'apt-get install procps' },
  ps: { present: () => runs('ps', '-V'), advice: 'apt-get install procps' },
  socat: { present: () => runs('socat', '-V'), advice: 'apt-get install socat' },
  nc: {
    present: () => /-U/.test(spawnSync('nc', ['-h'], { encoding: 'utf8' }).stderr ?? ''),
    advice: 'apt-get install netcat-openbsd',
  },
  gstreamer: {
    present: () => elements('jpegdec', 'matroskademux', 'videoconvert'),
    advice: 'apt-get install gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good',
  },
  'file formats': {
    present: () =>
      elements(
        'avimux',
        'avidemux',
        'theoraenc',
        'theoradec',
        'oggmux',
        'oggdemux',
        'matroskamux',
        'jpegenc',
      ),
    advice: 'apt-get install gstreamer1.0-plugins-base gstreamer1.0-plugins-good',
  },
  x264: {
    present: () => elements('jpegdec', 'matroskademux', 'videoconvert', 'x264enc', 'mp4mux'),
    advice: 'apt-get install gstreamer1.0-tools gstreamer1.0-plugins-{base,good,ugly}',
  },
  chromium: { present: () => CHROMIUM !== undefined, advice: 'apt-get install chromium' },
  tshark: { present: () => runs('tshark', '-v'), advice: 'apt-get install tshark' },
  'systemd-analyze': {
    present: () => runs('systemd-analyze', '--version'),
    advice: 'apt-get install systemd',
  },
  promtool: { present: () => runs('promtool', '--version'), advice: 'apt-get install prometheus' },
  'nats-server': {
    present: () => runs('nats-server', '--version'),
    advice: 'apt-get install nats-server',
  },
  mosquitto: {
    present: () => spawnSync('mosquitto', ['-h']).error === undefined,
    advice: 'apt-get install mosquitto',
  },
  'mosquitto-clients': {
    present: () => spawnSync('mosquitto_sub', ['--help']).error === undefined,
    advice: 'apt-get install mosquitto-clients',
  },
  'nats-py': { present: () => runs('python3', '-c', 'import nats'), advice: 'pip install nats-py' },
  openssl: { present: () => runs('openssl', 'version'), advice: 'apt-get install openssl' },
  root: { present: () => process.geteuid?.() === 0, advice: 'run the tests as root' },
  'a mount namespace': {
    present: () => runs('unshare', '-m', 'true'),
    advice: 'run the tests with the right to make one (CAP_SYS_ADMIN)',
  },
} satisfies Record<string, Need>;

export type NeedName = keyof typeof NEEDS;

const found = new Map<NeedName, boolean>();

/** Whether the program is there; looked up once in a test file. */
export function present(name: NeedName): boolean {
  const known = found.get(name) ?? NEEDS[name].present();
  found.set(name, known);
  return known;
}

/**
 * Skips what needs a program that is missing, and says what to install. In a test, or a helper that a test calls, it
 * skips that test; in the body of a suite or a file, it skips every test there.
 */
export function needs(...names: readonly NeedName[]): void {
  const missing = names.find((name) => !present(name));
  if (missing === undefined) return;
  const note = `needs ${missing}: ${NEEDS[missing].advice}`;
  const test = TestRunner.getCurrentTest();
  if (test !== undefined) test.context.skip(note);
  else beforeEach(({ skip }) => skip(note));
}

/** Skips the test that is about to run `command` when that is one of the programs that may be missing. */
export function needsOf(command: readonly string[]): void {
  needs(...command.filter((word): word is NeedName => word in NEEDS));
}

/** The same for a single program: its name, to be run. */
export function needed<Name extends NeedName>(name: Name): Name {
  needs(name);
  return name;
}
