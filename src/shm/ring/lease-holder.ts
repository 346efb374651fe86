/** A reader's side of the lease table: an entry of its own, and the leases in it. */
import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { posix } from '../memory/posix.js';
import { recordLocks } from '../memory/record-lock.js';
import { segmentPath } from '../memory/segment-name.js';
import {
  ENTRY_OFFSET,
  entryOffset,
  LEASE_ENTRIES,
  LEASE_ENTRY_SIZE,
  LEASE_MAGIC,
  LEASE_OFFSET,
  LEASE_TABLE_SIZE,
  LEASE_VERSION,
  LEASES_PER_READER,
  leaseTableName,
} from './lease-layout.js';

export interface LeaseHolder {
  /** Asks the writer to leave a slot alone; undefined: this reader holds as many as it can. */
  hold(slot: number): (() => void) | undefined;
  /** Tells whoever watches how far this reader is. */
  tell(cursor: number, missed: number): void;
  close(): void;
}

function claimEntry(fd: number): number | undefined {
  for (let entry = 0; entry < LEASE_ENTRIES; entry++) {
    if (recordLocks().tryLock(fd, entryOffset(entry), LEASE_ENTRY_SIZE)) return entry;
  }
  return undefined;
}

/**
 * An entry in the table of a ring. Undefined when there is none to be had: the table belongs to another ring, this
 * user may not write to it, or all entries are taken.
 */
export function openLeaseHolder(ring: string, ringId: bigint): LeaseHolder | undefined {
  let fd: number;
  try {
    fd = openSync(
      segmentPath(leaseTableName(ring)),
      constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch {
    return undefined;
  }
  try {
    const file = fstatSync(fd);
    if (!file.isFile() || file.size !== LEASE_TABLE_SIZE) {
      closeSync(fd);
      return undefined;
    }
    const mapping = posix().map(fd, LEASE_TABLE_SIZE, 'write');
    const words = new Int32Array(mapping.buffer);
    const longs = new BigUint64Array(mapping.buffer);
    const entry =
      words[LEASE_OFFSET.magic / 4] === LEASE_MAGIC &&
      words[LEASE_OFFSET.version / 4] === LEASE_VERSION &&
      longs[LEASE_OFFSET.ringId / 8] === ringId
        ? claimEntry(fd)
        : undefined;
    if (entry === undefined) {
      mapping.unmap();
      closeSync(fd);
      return undefined;
    }
    const base = entryOffset(entry);
    const leases = words.subarray(
      (base + ENTRY_OFFSET.leases) / 4,
      (base + ENTRY_OFFSET.leases) / 4 + LEASES_PER_READER,
    );
    leases.fill(0);
    Atomics.store(words, (base + ENTRY_OFFSET.pid) / 4, process.pid);
    let open = true;
    return {
      hold(slot) {
        const free = leases.indexOf(0);
        if (!open || free < 0) return undefined;
        Atomics.store(leases, free, slot + 1);
        return () => {
          if (open) Atomics.store(leases, free, 0);
        };
      },
      tell(cursor, missed) {
        longs[(base + ENTRY_OFFSET.cursor) / 8] = BigInt(cursor);
        longs[(base + ENTRY_OFFSET.missed) / 8] = BigInt(missed);
      },
      close() {
        if (!open) return;
        open = false;
        leases.fill(0);
        words[(base + ENTRY_OFFSET.pid) / 4] = 0;
        mapping.unmap();
        // The kernel drops the lock with it.
        closeSync(fd);
      },
    };
  } catch {
    closeSync(fd);
    return undefined;
  }
}
