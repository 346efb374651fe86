/** All cameras of a site as they tell of themselves: state, figures, and who has fallen silent. */
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { z } from 'zod';
import { abortable, pause } from '../../async.js';
import type { BridgeError } from '../../errors.js';
import { parseJson } from '../../json.js';
import type { NatsClientOptions } from '../../options/index.js';
import { cameraOf, checkedName, subjectOfAll } from '../names.js';
import { STATUS_MS } from '../status.js';
import { NatsBroker } from './broker.js';
import { servedCameras } from './client.js';

/** Many more than a site has. */
const MOST_CAMERAS = 10_000;
/** A status that is older than so many intervals: the bridge was killed, or its machine has gone. */
const SILENT_INTERVALS = 3;
/** Every bridge says how it is within this time, unless its machine is busy. */
const LISTEN_MS = 2_500;
/** The longest wait for those that are there and have not said so yet. */
const BUSY_MS = 15_000;
const LOOK_MS = 50;

const count = z.number().catch(0);
const statusSchema = z.object({
  status: z.enum(['online', 'offline']),
  state: z.string().catch(''),
  version: z.string().catch(''),
  intervalMs: z.number().positive().max(600_000).catch(STATUS_MS),
});
const verdictsSchema = z.object({ ok: count, ng: count, failed: count, skipped: count });
const statsSchema = z.object({
  framesPerSecond: count,
  delivered: count,
  dropped: count,
  algorithm: verdictsSchema.nullable().catch(null),
});

export interface FleetCamera {
  readonly site: string;
  readonly cameraId: string;
  /** `silent`: nothing was heard for three intervals of its status. */
  readonly status: 'online' | 'offline' | 'silent';
  /** Where its connection to the camera is in its life: streaming, paused, reconnecting ... */
  readonly state: string;
  /** Of the program. */
  readonly version: string;
  readonly framesPerSecond: number;
  readonly delivered: number;
  readonly dropped: number;
  /** null: no algorithm. */
  readonly algorithm: z.infer<typeof verdictsSchema> | null;
}

interface Known {
  status: z.infer<typeof statusSchema> | undefined;
  stats: z.infer<typeof statsSchema> | undefined;
  heardAt: number;
}

export class FleetView {
  readonly #site: string;
  readonly #broker: NatsBroker;
  readonly #cameras = new Map<string, Known>();

  /** BROKER_FAILED, BROKER_DENIED: the server cannot be used at first; `away` is told later ones. OPTION_INVALID. */
  static async open(
    access: NatsClientOptions,
    away: (error: BridgeError) => void,
    signal?: AbortSignal,
  ): Promise<FleetView> {
    const site = checkedName(access.site, 'site');
    const broker = await NatsBroker.open(access, 'openmv-bridge fleet', signal);
    if (broker.connection) return new FleetView(broker, site, away);
    await broker.close(0);
    throw broker.failure;
  }

  private constructor(broker: NatsBroker, site: string, away: (error: BridgeError) => void) {
    this.#broker = broker;
    this.#site = site;
    broker.follow({ connected: (connection) => this.#listen(connection), away });
  }

  /** Resolves when every camera that is there has said how it is, and given figures; after 15 s at most. */
  async heard(signal?: AbortSignal): Promise<void> {
    const since = performance.now();
    const { connection } = this.#broker;
    const served = connection ? servedCameras(connection, this.#site, LISTEN_MS) : Promise.resolve([]);
    const [there] = await Promise.all([
      // A server that goes now has told all that it will.
      abortable(served, signal).catch(() => []),
      pause(LISTEN_MS, signal),
    ]);
    while (!there.every(({ camera }) => this.#knows(camera)) && performance.now() - since < BUSY_MS) {
      await pause(LOOK_MS, signal);
    }
  }

  /** All that were heard, in the order of their names. */
  get cameras(): FleetCamera[] {
    const now = performance.now();
    const all = [...this.#cameras].map(([cameraId, { status, stats, heardAt }]): FleetCamera => {
      const { status: said = 'online', state = '', version = '', intervalMs = STATUS_MS } = status ?? {};
      const silent = said === 'online' && now - heardAt > SILENT_INTERVALS * intervalMs;
      const none = { framesPerSecond: 0, delivered: 0, dropped: 0, algorithm: null };
      const here = said === 'online' && !silent;
      return {
        ...{ site: this.#site, cameraId, status: silent ? 'silent' : said, state, version },
        ...(stats ?? none),
        ...(here ? {} : { framesPerSecond: 0 }),
      };
    });
    return all.sort((a, b) => a.cameraId.localeCompare(b.cameraId));
  }

  close(): Promise<void> {
    return this.#broker.close(0);
  }

  #listen(connection: NatsConnection): void {
    for (const kind of ['status', 'stats'] as const) {
      connection.subscribe(subjectOfAll(this.#site, kind), {
        callback: (_error, message) => {
          if (message) this.#hear(kind, message);
        },
      });
    }
  }

  #knows(cameraId: string): boolean {
    const { status, stats } = this.#cameras.get(cameraId) ?? {};
    return status !== undefined && stats !== undefined;
  }

  #hear(kind: 'status' | 'stats', message: Msg): void {
    const cameraId = cameraOf(message.subject);
    let value: unknown;
    try {
      value = parseJson(message.string(), { maxValues: 10_000 });
    } catch {
      // Not of this program.
      return;
    }
    const known = this.#cameras.get(cameraId) ?? { status: undefined, stats: undefined, heardAt: 0 };
    if (kind === 'status') known.status = statusSchema.safeParse(value).data ?? known.status;
    else known.stats = statsSchema.safeParse(value).data ?? known.stats;
    known.heardAt = performance.now();
    if (this.#cameras.size < MOST_CAMERAS || this.#cameras.has(cameraId)) this.#cameras.set(cameraId, known);
  }
}
