/** The cameras of a site, each as a bridge, from the first figures that are heard of it on. */
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import type { Bridge } from '../../bridge/index.js';
import { type Forward, type Reply, SLOW_COMMANDS } from '../../control/index.js';
import { BridgeError } from '../../errors.js';
import { parseJson } from '../../json.js';
import type { NatsClientOptions } from '../../options/index.js';
import { cameraOf, checkedName, subjectOfAll } from '../names.js';
import { STATUS_MS } from '../status.js';
import { NatsBroker } from './broker.js';
import { ask } from './client.js';
import { frameOf } from './frame-message.js';
import { RemoteBridge } from './remote-bridge.js';
import { statsOf } from './remote-lines.js';
import { KINDS, type Kind } from './stream.js';

/** What the page can show. */
const MOST_CAMERAS = 256;
/** For a reply. */
const REPLY_MS = 10_000;
const LONG_REPLY_MS = 60_000;
const LOOK_MS = 1_000;
const SILENT_MS = 3 * STATUS_MS;

export interface SiteHandlers {
  /** A camera is there; `forward` carries commands out where it is. */
  opened(bridge: Bridge, forward: Forward): void;
  /** The server is away. */
  away(error: BridgeError): void;
}

interface Known {
  runId: string;
  heardAt: number;
  bridge: RemoteBridge | undefined;
  opening: boolean;
}

export class SiteCameras {
  readonly #site: string;
  readonly #handlers: SiteHandlers;
  readonly #broker: NatsBroker;
  readonly #cameras = new Map<string, Known>();
  readonly #looks: NodeJS.Timeout;

  /** Resolves after the first attempt to connect, whatever came of it. OPTION_INVALID. */
  static async open(access: NatsClientOptions, handlers: SiteHandlers): Promise<SiteCameras> {
    const site = checkedName(access.site, 'site');
    return new SiteCameras(await NatsBroker.open(access, 'openmv-bridge page'), site, handlers);
  }

  private constructor(broker: NatsBroker, site: string, handlers: SiteHandlers) {
    this.#broker = broker;
    this.#site = site;
    this.#handlers = handlers;
    this.#looks = setInterval(() => this.#look(), LOOK_MS);
    broker.follow({
      connected: (connection) => this.#listen(connection),
      away: (error) => {
        for (const { bridge } of this.#cameras.values())
          bridge?.lost(error.code, error.message, 'reconnecting');
        handlers.away(error);
      },
    });
  }

  async close(): Promise<void> {
    clearInterval(this.#looks);
    for (const { bridge } of this.#cameras.values()) bridge?.end();
    this.#cameras.clear();
    await this.#broker.close();
  }

  #listen(connection: NatsConnection): void {
    for (const kind of KINDS) {
      connection.subscribe(subjectOfAll(this.#site, kind), {
        callback: (_error, message) => {
          if (message) this.#hear(kind, message);
        },
      });
    }
  }

  #hear(kind: Kind, message: Msg): void {
    const cameraId = cameraOf(message.subject);
    try {
      const known = this.#cameras.get(cameraId);
      if (kind === 'frame') return known?.bridge?.frame(frameOf(message));
      const value = parseJson(message.string(), { maxValues: 100_000 });
      if (kind === 'status') return this.#status(cameraId, value as Readonly<Record<string, unknown>>);
      if (kind === 'stats' && known && !known.bridge) return this.#open(cameraId, known, value);
      known?.bridge?.[kind](value);
    } catch {
      // Damaged, or not of this program.
    }
  }

  #status(cameraId: string, { status, state, runId }: Readonly<Record<string, unknown>>): void {
    let known = this.#cameras.get(cameraId);
    if (status === 'offline') {
      known?.bridge?.lost('BRIDGE_CLOSED', 'The bridge has ended.', 'closed');
      return;
    }
    if (known && known.runId !== runId) {
      known.bridge?.end();
      known = undefined;
    }
    if (!known) {
      if (!this.#cameras.has(cameraId) && !this.#hasRoom()) return;
      known = { runId: String(runId), heardAt: 0, bridge: undefined, opening: false };
      this.#cameras.set(cameraId, known);
    }
    known.heardAt = performance.now();
    known.bridge?.status(String(state));
  }

  /** One of which nothing is heard any more gives way. */
  #hasRoom(): boolean {
    if (this.#cameras.size < MOST_CAMERAS) return true;
    const now = performance.now();
    for (const [cameraId, { heardAt, bridge }] of this.#cameras) {
      if (now - heardAt < SILENT_MS) continue;
      bridge?.end();
      return this.#cameras.delete(cameraId);
    }
    return false;
  }

  /** With the first figures it is known whether there is an algorithm. */
  #open(cameraId: string, known: Known, stats: unknown): void {
    const first = statsOf(stats);
    if (!first || known.opening) return;
    known.opening = true;
    const forward: Forward = (command, params) => this.#forward(cameraId, command, params);
    void forward('get_info', {})
      .catch(() => undefined)
      .then((info) => {
        if (this.#cameras.get(cameraId) !== known) return;
        const { runId } = known;
        const about = { site: this.#site, cameraId, runId, info, hasAlgorithm: first.algorithm !== null };
        known.bridge = new RemoteBridge({ ...about, forward });
        this.#handlers.opened(known.bridge.bridge, forward);
      });
  }

  async #forward(camera: string, command: string, params: unknown): Promise<Reply> {
    const { connection, failure } = this.#broker;
    if (!connection) throw failure ?? new BridgeError('BROKER_FAILED', 'NATS is away.');
    const timeoutMs = SLOW_COMMANDS.has(command) ? LONG_REPLY_MS : REPLY_MS;
    const text = await ask(connection, { site: this.#site, camera, request: { command, params }, timeoutMs });
    const reply = parseJson(text) as Reply;
    if (reply['status'] === 'success') return reply;
    throw new BridgeError('CAMERA_REFUSED', String(reply['message']), { context: { camera, command } });
  }

  #look(): void {
    const now = performance.now();
    for (const { heardAt, bridge } of this.#cameras.values()) {
      if (!bridge || bridge.state === 'closed' || now - heardAt < SILENT_MS) continue;
      const message = `Nothing was heard of it for ${SILENT_MS / 1_000} s: its bridge, its machine or the way to it has gone.`;
      bridge.lost('BROKER_FAILED', message, 'reconnecting');
    }
  }
}
