/** The control commands of cameras as NATS services: `openmv.SITE.CAMERA.ctl`, which `nats micro ls` lists. */
import { hostname } from 'node:os';
import { type Service, type ServiceMsg, Svcm } from '@nats-io/services';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Bridge } from '../../bridge/index.js';
import { ControlService } from '../../control/index.js';
import { packageVersion } from '../../package.js';
import { CommandQueue, failure } from '../commands.js';
import { subjectOf } from '../names.js';
import type { NatsBroker } from './broker.js';

/** Name of all these services; which camera one is for is in its metadata. */
export const SERVICE_NAME = 'openmv-bridge';

/** What metadata say. */
export interface ServedCamera {
  readonly site: string;
  readonly camera: string;
  readonly machine: string;
}

export class NatsControl {
  readonly #broker: NatsBroker;
  readonly #site: string;
  readonly #service = new ControlService();

  constructor(broker: NatsBroker, site: string) {
    this.#broker = broker;
    this.#site = site;
  }

  /** Serves a camera on each connection that there will be, until its bridge has ended. */
  add(bridge: Bridge): void {
    this.#service.add(bridge);
    const commands = new CommandQueue(this.#service, bridge.cameraId, 'NATS');
    let service: Promise<Service> | undefined;
    const unfollow = this.#broker.follow({
      connected: (connection) => {
        service = this.#serve(connection, bridge.cameraId, commands);
        // The connection has just ended; the next one gets another.
        service.catch(() => undefined);
      },
    });
    const end = (): void => {
      unfollow();
      void service?.then((one) => one.stop()).catch(() => undefined);
    };
    bridge.done.then(end, end);
  }

  async #serve(connection: NatsConnection, camera: string, commands: CommandQueue): Promise<Service> {
    // The package brings a core of its own, whose types are others.
    const services = new Svcm(connection as unknown as ConstructorParameters<typeof Svcm>[0]);
    const served: ServedCamera = { site: this.#site, camera, machine: hostname() };
    const service = await services.add({
      name: SERVICE_NAME,
      version: packageVersion(),
      description: `control commands of the OpenMV camera ${camera}`,
      metadata: { ...served },
    });
    service.addEndpoint('ctl', {
      subject: subjectOf({ site: this.#site, camera }, 'ctl'),
      handler: (error, message) => {
        if (error === null) commands.take(message.data, (text) => respond(connection, message, text));
      },
    });
    return service;
  }
}

/** A reply may be larger than a message may be: a snapshot. */
function respond(connection: NatsConnection, message: ServiceMsg, text: string): void {
  const most = connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
  const bytes = Buffer.byteLength(text);
  const tooLarge = `The reply of ${bytes} bytes is more than the server takes in a message: its max_payload is ${most}.`;
  try {
    message.respond(bytes > most ? JSON.stringify(failure(tooLarge)) : text);
  } catch {
    // The connection has just ended: nothing waits for it any more.
  }
}
