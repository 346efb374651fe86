/** `openmv-bridge doctor`: what would keep a bridge from its work, check by check. */
import type { Check } from './check.js';
import { checkLeftovers } from './leftover-checks.js';
import { checkPorts, checkUdev } from './port-checks.js';
import {
  checkGstreamer,
  checkNode,
  checkOpenFiles,
  checkPackages,
  checkPython,
  checkSharedMemory,
} from './system-checks.js';

export { CHECK_STATUSES, type Check } from './check.js';
export { installUdevRule, udevRulePath } from './install-udev.js';

/** Every check, in the order in which they are best read. `ports`: those that are meant; none: all that there are. */
export async function runChecks(ports: readonly string[], signal?: AbortSignal): Promise<Check[]> {
  const groups = await Promise.all([
    checkNode(),
    checkPackages(),
    checkSharedMemory(),
    checkOpenFiles(),
    checkPorts(ports, signal),
    checkUdev(),
    checkPython(signal),
    checkGstreamer(signal),
    checkLeftovers(),
  ]);
  return groups.flat();
}
