/** The writer's side of the lease table. */
import { closeSync, constants, openSync } from 'node:fs';
import { recordLocks } from '../memory/record-lock.js';
import { createSegment } from '../memory/segment.js';
import { segmentPath } from '../memory/segment-name.js';
import { segmentError } from '../memory/system-errors.js';
import {
  ENTRY_OFFSET,
  entryOffset,
  LEASE_ENTRIES,
  LEASE_ENTRY_SIZE,
  LEASE_LAYOUT,
  LEASE_OFFSET,
  LEASE_TABLE_SIZE,
  LEASE_VERSION,
  LEASES_PER_READER,
  leaseTableName,
} from './lease-layout.js';

export interface LeaseTable {
  /** Whether a reader has that slot in hand. */
  holds(slot: number): boolean;
  /** Frees what the dead held; asks the kernel about every entry with a lease. */
  clearDead(): void;
  close(): void;
}

/** Makes the table of a ring. Throws as `createSegment` does. */
export function createLeaseTable(ring: string, ringId: bigint, mode: number | undefined): LeaseTable {
  const name = leaseTableName(ring);
  const initialise = (buffer: ArrayBuffer): void => {
    const header = new Uint32Array(buffer);
    header[LEASE_OFFSET.version / 4] = LEASE_VERSION;
    header[LEASE_OFFSET.entries / 4] = LEASE_ENTRIES;
    new BigUint64Array(buffer)[LEASE_OFFSET.ringId / 8] = ringId;
  };
  const segment = createSegment(
    { name, size: LEASE_TABLE_SIZE, initialise, ...(mode === undefined ? {} : { mode }) },
    LEASE_LAYOUT,
  );
  const words = new Int32Array(segment.buffer);
  // An open file description of its own: record locks are asked for under it.
  let fd: number;
  try {
    fd = openSync(segmentPath(name), constants.O_RDWR | constants.O_NOFOLLOW);
  } catch (error) {
    segment.close();
    throw segmentError('open', name, error);
  }
  const first = (entry: number): number => (entryOffset(entry) + ENTRY_OFFSET.leases) / 4;
  let open = true;
  return {
    holds(slot) {
      // Plain loads: whoever asks has put a fence before them.
      for (let entry = 0; entry < LEASE_ENTRIES; entry++) {
        if (words[(entryOffset(entry) + ENTRY_OFFSET.pid) / 4] === 0) continue;
        const at = first(entry);
        for (let lease = at; lease < at + LEASES_PER_READER; lease++) {
          if (words[lease] === slot + 1) return true;
        }
      }
      return false;
    },
    clearDead() {
      for (let entry = 0; entry < LEASE_ENTRIES; entry++) {
        const leases = words.subarray(first(entry), first(entry) + LEASES_PER_READER);
        if (leases.every((lease) => lease === 0)) continue;
        if (!recordLocks().tryLock(fd, entryOffset(entry), LEASE_ENTRY_SIZE)) continue;
        leases.fill(0);
        words[(entryOffset(entry) + ENTRY_OFFSET.pid) / 4] = 0;
        recordLocks().unlock(fd, entryOffset(entry), LEASE_ENTRY_SIZE);
      }
    },
    close() {
      if (!open) return;
      open = false;
      closeSync(fd);
      segment.close();
    },
  };
}
