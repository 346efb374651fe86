/** Programs of tools/bench as processes: compiled C, cameras, hosts; and a folder for what they need. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const MAIN = here('../../dist/cli/main.js');
const FRAME = here('../../docs/frame.jpg');
/** A frame of 320 x 240, as `FRAME` is. */
export const FRAME_BYTES = 24_414;

/** Why C programs are left out here; undefined: they are not. */
export const noCompiler =
  spawnSync('cc', ['--version']).status === 0 ? undefined : 'no C compiler (Debian: apt-get install gcc)';

/** On a machine that is busy with other things a host in C gives up, or no frame comes in time: it gets other tries. */
export const again = (measure) => measure().catch(measure).catch(measure);
const enough = (measured) => {
  if (measured.frames > 1) return measured;
  throw new Error('no frames came');
};

/** A folder for the time of a benchmark, and what is started in it. */
export function workshop() {
  const directory = mkdtempSync(join(tmpdir(), 'openmv-bench-'));
  const children = new Set();
  const compiled = new Map();
  let count = 0;

  /** A program of tools/bench in C. */
  const program = (name) => {
    if (!compiled.has(name)) {
      const binary = join(directory, name);
      execFileSync('cc', ['-std=c11', '-O2', here(`${name}.c`), '-o', binary]);
      compiled.set(name, binary);
    }
    return compiled.get(name);
  };

  const start = (command, args) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.add(child);
    child.once('exit', () => children.delete(child));
    return child;
  };

  /** Runs a program to its end; its last line is JSON. */
  const json = (command, args) =>
    new Promise((resolve, reject) => {
      const child = start(command, args);
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (piece) => {
        text += piece;
      });
      child.once('close', (status) => {
        const last = text.trimEnd().split('\n').at(-1);
        if (status === 0) resolve(JSON.parse(last));
        else reject(new Error(`${command} ${args.slice(0, 2).join(' ')} ended with ${status}`));
      });
    });

  /** A camera that is there until `stop` is called. */
  const camera = async (link, command, args, isReady) => {
    const child = start(command, args);
    const lines = createInterface({ input: child.stdout });
    await new Promise((resolve, reject) => {
      child.once('exit', (status) => reject(new Error(`the camera ended with ${status}`)));
      isReady(lines, resolve);
    });
    return {
      port: link,
      stop: () =>
        new Promise((resolve) => {
          child.removeAllListeners('exit').once('exit', resolve);
          children.delete(child);
          child.kill('SIGTERM');
        }),
    };
  };

  return {
    path: (name) => join(directory, name),
    /** The camera in C. `fps` 0: the next frame is there at once. */
    cameraInC({ fps = 0, jpeg = FRAME, payload = 4_082 } = {}) {
      const link = join(directory, `camera${count++}`);
      return camera(
        link,
        program('reference-camera'),
        [link, jpeg, String(fps), String(payload)],
        (lines, resolve) => lines.once('line', resolve),
      );
    },
    /** The virtual camera, which runs the script, in a process of its own. */
    async virtualCamera(flags = ['--virtual-fps', 'max']) {
      const link = join(directory, `camera${count++}`);
      const args = [MAIN, 'virtual', '--link', link, '--id', String(count), ...flags];
      // It says on stderr that it is ready; the link is there then.
      return camera(link, process.execPath, args, (_lines, resolve) => {
        const look = setInterval(() => {
          if (spawnSync('test', ['-e', link]).status !== 0) return;
          clearInterval(look);
          resolve();
        }, 50);
      });
    },
    /** The host in C on a camera; `pattern` is plain, window or ahead. */
    hostInC: (port, pattern, { ack = false, warmUpMs, durationMs }) =>
      again(async () => {
        const times = [warmUpMs, durationMs].map((ms) => String(ms / 1_000));
        const all = await json(program('reference-host'), [port, pattern, ack ? 'on' : 'off', ...times]);
        const { frames, seconds, cpuMs } = enough(all);
        return { ...all, framesPerSecond: frames / seconds, cpuMsPerFrame: cpuMs / frames };
      }),
    /** Bridges in a process of their own, measured; see bridge-host.mjs. */
    bridges: (inputs, options) =>
      again(async () =>
        enough(
          await json(process.execPath, [here('bridge-host.mjs'), JSON.stringify({ inputs, ...options })]),
        ),
      ),
    close() {
      for (const child of children) child.kill('SIGKILL');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
