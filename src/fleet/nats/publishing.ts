/** One run's connection to NATS, and what its bridges publish there. */
import type { NatsConnection } from '@nats-io/transport-node';
import type { Bridge, RemoteCalls } from '../../bridge/index.js';
import { BridgeError } from '../../errors.js';
import type { BrokerOptions } from '../../options/index.js';
import { checkedName } from '../names.js';
import { NatsBroker } from './broker.js';
import { NatsControl } from './control.js';
import { NatsPublisher } from './publisher.js';
import { RemotePool } from './remote-pool.js';
import { NatsStream } from './stream.js';

/** Closed with `close()`, after the bridges. */
export class NatsPublishing {
  readonly #broker: NatsBroker;
  readonly #control: NatsControl;
  readonly #options: BrokerOptions;
  readonly #publishers = new Set<NatsPublisher>();
  readonly #streams = new WeakMap<NatsConnection, Promise<NatsStream>>();

  /** Resolves after the first attempt to connect, whatever came of it. OPTION_INVALID. */
  static async open(options: BrokerOptions & { readonly nats: string }): Promise<NatsPublishing> {
    if (options.natsDelivery === 'every' && options.natsStream === undefined) {
      throw new BridgeError(
        'OPTION_INVALID',
        'Only a stream acknowledges frames, so that the sensor can wait for it: name one.',
        { context: { options: ['natsDelivery', 'natsStream'] } },
      );
    }
    return new NatsPublishing(await NatsBroker.open(options, 'openmv-bridge'), options);
  }

  private constructor(broker: NatsBroker, options: BrokerOptions) {
    this.#broker = broker;
    this.#control = new NatsControl(broker, options.site);
    this.#options = options;
  }

  /** Publishes what the bridge has from now on. OPTION_INVALID: its id cannot be part of a subject. */
  async add(bridge: Bridge): Promise<void> {
    const { site, natsStream, natsDelivery } = this.#options;
    const stream =
      natsStream === undefined ? undefined : (to: NatsConnection) => this.#stream(to, natsStream);
    const settings = { site, every: natsDelivery === 'every', stream };
    const publisher = await NatsPublisher.attach(bridge, this.#broker, settings);
    this.#publishers.add(publisher);
    void publisher.done.then(() => this.#publishers.delete(publisher));
    this.#control.add(bridge);
  }

  /** Calls the workers at this server for the frames of one camera: `createBridge({ runner: 'nats:' }, { remote })`. */
  readonly remote: RemoteCalls = (options, cameraId, callbacks) => {
    const { delivery, callTimeoutMs, supervision } = options;
    const name = { site: this.#options.site, camera: checkedName(cameraId, 'camera') };
    const settings = { ...name, every: delivery === 'every', callTimeoutMs, stopMs: supervision.stopMs };
    return new RemotePool(this.#broker, settings, callbacks);
  };

  /** What is under way arrives first, if the server is there. For bridges that have ended. */
  async close(): Promise<void> {
    await Promise.all([...this.#publishers].map(({ done }) => done));
    await this.#broker.close();
  }

  /** The stream by that connection; one that could not be had is tried again by the next who asks. */
  #stream(connection: NatsConnection, natsStream: string): Promise<NatsStream> {
    const { site, natsMaxAgeMs, natsMaxBytes } = this.#options;
    const known = this.#streams.get(connection);
    if (known) return known;
    const made = NatsStream.open(connection, { site, natsStream, natsMaxAgeMs, natsMaxBytes });
    this.#streams.set(connection, made);
    made.catch(() => this.#streams.delete(connection));
    return made;
  }
}
