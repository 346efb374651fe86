/** Which ports there are, for each why it can or cannot be opened, and what the camera behind it has. */
import { existsSync } from 'node:fs';
import { pause } from '../async.js';
import { type Camera, connectCamera } from '../camera/index.js';
import { asBridgeError, type BridgeError } from '../errors.js';
import { bridgeOptionsSchema } from '../options/index.js';
import {
  describePort,
  findCamera,
  findProcesses,
  findUdevRule,
  keepsModemManagerAway,
  listPorts,
  MODEM_MANAGER,
  type PortInfo,
  portObstacle,
} from '../port/index.js';
import { versionText } from '../protocol/index.js';
import { asRoot, type Check, failed, inContainer, ok, warning } from './check.js';

/** A camera that is there answers within seconds, also one that exposes for long. */
const CONNECT_MS = 20_000;
/** How long a script may take from its start to its channel. */
const BEGIN_MS = 5_000;
const BETWEEN_MS = 100;
/** What helps where the error has no command of its own. */
const FIXES: Partial<Record<BridgeError['code'], string>> = {
  PORT_NOT_FOUND: 'openmv-bridge list --all',
  NOT_A_CAMERA: 'openmv-bridge list',
};

/** The ports that are named, or else every one of this machine. */
export async function checkPorts(named: readonly string[], signal?: AbortSignal): Promise<Check[]> {
  if (named.length > 0) return Promise.all(named.map((port) => checkCamera(port, port, signal)));
  const ports = await listPorts({ signal });
  const cameras = ports.filter((port) => port.isCamera);
  const checks = await Promise.all(
    ports.map((port) =>
      port.isCamera ? checkCamera(port.path, describePort(port), signal) : checkOther(port),
    ),
  );
  return cameras.length > 0 ? checks : [...checks, await noCamera(signal)];
}

async function noCamera(signal?: AbortSignal): Promise<Check> {
  try {
    const found = await findCamera({ signal });
    return await checkCamera(found.path, describePort(found), signal);
  } catch (cause) {
    signal?.throwIfAborted();
    return refusal('camera', asBridgeError(cause));
  }
}

/** Connects as a run does; `path` may also be what `--port` takes beside paths. */
async function checkCamera(path: string, described: string, signal?: AbortSignal): Promise<Check> {
  const name = `port ${path}`;
  const limit = AbortSignal.timeout(CONNECT_MS);
  let connected = false;
  try {
    const camera = await connectCamera({
      port: path,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    connected = true;
    try {
      const { version } = camera.info();
      const wanted = bridgeOptionsSchema.shape.channel.parse(undefined);
      const there = await hasChannel(camera, wanted, signal);
      const runs = (await camera.running(signal)) ? 'A script runs' : 'No script runs';
      const script = there
        ? `its script has the channel ${wanted}.`
        : `${runs} without the channel ${wanted}: a run sends one that has it.`;
      const text = `${described} opens; firmware ${versionText(version.firmware)}, protocol ${versionText(version.protocol)}`;
      return ok(name, there ? `${text}; ${script}` : `${text}. ${script}`);
    } finally {
      await camera.close();
    }
  } catch (cause) {
    signal?.throwIfAborted();
    if (limit.aborted && !connected) {
      return failed(
        name,
        `${described} opens, but the camera does not answer. Unplug it and plug it in again.`,
      );
    }
    return refusal(name, asBridgeError(cause));
  }
}

/** A script that has just begun, as after power-on, registers its channel when it gets there. */
async function hasChannel(camera: Camera, name: string, signal?: AbortSignal): Promise<boolean> {
  for (const end = performance.now() + BEGIN_MS; ; await pause(BETWEEN_MS, signal)) {
    if ((await camera.channels(signal)).some((channel) => channel.name === name)) return true;
    if (performance.now() > end || !(await camera.running(signal))) return false;
  }
}

function refusal(name: string, error: BridgeError): Check {
  const { fix } = error.context;
  const command = typeof fix === 'string' ? fix : (FIXES[error.code] ?? null);
  return failed(name, `${error.message} [${error.code}]`, command);
}

/** A port that is no camera's is not opened: some devices restart then. */
async function checkOther(port: PortInfo): Promise<Check> {
  const obstacle = await portObstacle(port.path);
  const text = `${describePort(port)} is no camera's, by its USB identity.`;
  return ok(`port ${port.path}`, obstacle ? `${text} ${obstacle.message}` : text);
}

/** Whether udev gives cameras to their group and keeps ModemManager away. */
export async function checkUdev(folders?: readonly string[]): Promise<Check[]> {
  if (process.platform !== 'linux') return [];
  const rule = await findUdevRule(folders);
  const [manager] = await findProcesses(MODEM_MANAGER);
  const install = inContainer() ? null : asRoot('doctor', '--install-udev', '--yes');
  const without = 'only the group of serial ports may open cameras, and none has a name of its own.';
  return [
    rule
      ? ok('udev rule', `${rule.path} is for cameras.`)
      : inContainer() || !existsSync('/run/udev')
        ? ok('udev rule', 'There is no udev here. In a container the rule belongs on the machine around it.')
        : warning('udev rule', `There is no udev rule for cameras: ${without}`, install),
    manager === undefined
      ? ok(MODEM_MANAGER, `${MODEM_MANAGER} does not run.`)
      : rule && keepsModemManagerAway(rule)
        ? ok(MODEM_MANAGER, `${MODEM_MANAGER} runs (process ${manager.pid}), and leaves cameras alone.`)
        : warning(
            MODEM_MANAGER,
            `${MODEM_MANAGER} runs (process ${manager.pid}) and takes cameras for some seconds after they are plugged in.`,
            install ?? `sudo systemctl stop ${MODEM_MANAGER}`,
          ),
  ];
}
