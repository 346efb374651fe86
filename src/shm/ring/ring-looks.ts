/** Looks at the frames of a ring whose writer works on meanwhile. */
import type { BridgeError } from '../../errors.js';
import { invalid } from '../memory/segment-view.js';
import { fence, settled } from '../memory/seqlock.js';
import { type RingSlots, SLOT_OFFSET, type SlotHeader } from './ring-layout.js';

/** Looks at a frame whose slot changes under them. */
const MAX_LOOKS = 4;

/** What stood in a slot at version `version`. */
export interface Look extends SlotHeader {
  readonly slot: number;
  readonly version: number;
  /** Byte offset of the frame in the segment. */
  readonly start: number;
}

export class RingLooks {
  readonly #name: string;
  readonly #slots: RingSlots;

  constructor(name: string, slots: RingSlots) {
    this.#name = name;
    this.#slots = slots;
  }

  /**
   * What `take` makes of frame `number`; undefined: it is gone. A slot that changed on the way is looked at again: the
   * writer may only have looked for leases of it.
   */
  attempt<T>(number: number, take: (look: Look) => T | undefined): T | undefined {
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      const look = this.#look(number);
      if (look === undefined) return undefined;
      if (!this.unchanged(look)) continue;
      if (look.number !== number) return undefined;
      if (look.size > this.#slots.geometry.slotCapacity) throw this.#damaged(`a frame of ${look.size} bytes`);
      const taken = take(look);
      if (taken !== undefined) return taken;
    }
    return undefined;
  }

  /** Where frame `number` is and what its header says, perhaps torn; undefined: the writer has the slot in hand. */
  #look(number: number): Look | undefined {
    const { atomics, geometry } = this.#slots;
    const slot = Atomics.load(atomics, geometry.indexOffset / 4 + (number % geometry.slotCount));
    if (slot < 0 || slot >= geometry.slotCount) throw this.#damaged(`frame ${number} in slot ${slot}`);
    const at = this.#slots.offset(slot);
    const index = (at + SLOT_OFFSET.version) / 4;
    // A writer that has it in hand may only be looking for a free one.
    const version = settled(atomics, index);
    if (version === undefined) return undefined;
    return { slot, version, start: at + SLOT_OFFSET.data, ...this.#slots.describe(slot) };
  }

  unchanged(look: Look): boolean {
    return this.changes(look) === 0;
  }

  /** How far the slot's version has moved on since the look. */
  changes(look: Look): number {
    fence();
    const index = (this.#slots.offset(look.slot) + SLOT_OFFSET.version) / 4;
    return (Atomics.load(this.#slots.atomics, index) - look.version) | 0;
  }

  #damaged(what: string): BridgeError {
    return invalid(
      this.#name,
      `is damaged: it has ${what}, which cannot be. Restart the program that writes it.`,
    );
  }
}
