/** The device's table of channels (vendor: omv_protocol_register_channel). */

import { type ChannelEntry, ChannelFlag, MAX_CHANNELS } from '../../protocol/index.js';
import type { DeviceChannel } from './device-types.js';

export class DeviceChannels {
  readonly #slots: (DeviceChannel | undefined)[] = new Array(MAX_CHANNELS).fill(undefined);
  readonly #dynamic = new Set<number>();

  /** Returns the id, -1 when none is free or `id` is not one. */
  register(channel: DeviceChannel, id?: number): number {
    const given = id ?? this.#slots.findIndex((slot, index) => index > 0 && slot === undefined);
    if (given < 0 || given >= MAX_CHANNELS) return -1;
    this.#slots[given] = channel;
    if (id === undefined) this.#dynamic.add(given);
    else this.#dynamic.delete(given);
    return given;
  }

  unregisterDynamic(): void {
    for (const id of this.#dynamic) this.#slots[id] = undefined;
    this.#dynamic.clear();
  }

  get(id: number): DeviceChannel | undefined {
    return this.#slots[id];
  }

  isDynamic(id: number): boolean {
    return this.#dynamic.has(id);
  }

  list(): ChannelEntry[] {
    return this.#slots.flatMap((channel, id) =>
      channel
        ? [
            {
              id,
              name: channel.name,
              flags: channel.flags | (this.#dynamic.has(id) ? ChannelFlag.DYNAMIC : 0),
            },
          ]
        : [],
    );
  }

  /** Bit mask by channel id of the channels that have something ready. */
  poll(): number {
    let mask = 0;
    this.#slots.forEach((channel, id) => {
      if (channel?.poll?.()) mask |= 1 << id;
    });
    return mask >>> 0;
  }

  unlockAll(): void {
    for (const channel of this.#slots) channel?.unlock?.();
  }
}
