/** Names of cameras in brokers: `openmv.<site>.<camera>.<kind>` at NATS, `openmv/<site>/<camera>/<kind>` at MQTT. */
import { BridgeError } from '../errors.js';

/** What every message of this program begins with. */
const ROOT = 'openmv';

/** A name without the separators and wildcards of subjects (`.` `*` `>` and blanks) and topics (`/` `+` `#`). */
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

export interface CameraName {
  readonly site: string;
  readonly camera: string;
}

/** The NATS subject of a kind of message about one camera. OPTION_INVALID: a name that cannot be part of one. */
export function subjectOf({ site, camera }: CameraName, kind: string): string {
  return [ROOT, checkedName(site, 'site'), checkedName(camera, 'camera'), kind].join('.');
}

/** The NATS subject of a kind of message about every camera of a site. OPTION_INVALID. */
export function subjectOfAll(site: string, kind: string): string {
  return [ROOT, checkedName(site, 'site'), '*', kind].join('.');
}

/** The camera that a subject of a kind of message is about. */
export const cameraOf = (subject: string): string => subject.split('.')[2] ?? '';

/** The MQTT topic of a kind of message about one camera. OPTION_INVALID: a name that cannot be part of one. */
export function topicOf({ site, camera }: CameraName, kind: string): string {
  return [ROOT, checkedName(site, 'site'), checkedName(camera, 'camera'), kind].join('/');
}

/** The name itself; OPTION_INVALID: other letters than those that every broker takes as they are. */
export function checkedName(name: string, what: 'site' | 'camera'): string {
  if (NAME.test(name)) return name;
  throw new BridgeError(
    'OPTION_INVALID',
    `"${name}" cannot be the name of a ${what} at a broker: it must be 1 to 64 letters, digits, underscores and hyphens. Give the ${what} another name.`,
    { context: { name, options: [what === 'site' ? 'site' : 'cameraId'] } },
  );
}
