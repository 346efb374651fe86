/**
 * The table beside a ring in which readers say which slots they have in hand: the segment `<ring>.leases`. An entry
 * belongs to the process that holds the kernel's lock on its bytes, so that the dead have none; the ring itself is
 * read-only to every reader, and the writer trusts nothing in the table beyond "leave that slot alone for a while".
 */
import { randomBytes } from 'node:crypto';
import type { SegmentLayout } from '../memory/segment-layout.js';

/** The bytes `OMVL` on a little-endian machine. */
export const LEASE_MAGIC = 0x4c564d4f;
export const LEASE_VERSION = 1;
export const LEASE_HEADER_SIZE = 64;
export const LEASE_ENTRY_SIZE = 64;
/** Readers that can hold leases at the same time. */
export const LEASE_ENTRIES = 32;
/** Leases that one reader can hold at the same time. */
export const LEASES_PER_READER = 8;
export const LEASE_TABLE_SIZE = LEASE_HEADER_SIZE + LEASE_ENTRIES * LEASE_ENTRY_SIZE;

export const LEASE_OFFSET = { magic: 0, version: 4, entries: 8, ringId: 16, owner: 32 } as const;
/**
 * Byte offsets in an entry; a lease is the slot's number plus 1, 0 is none. With pid 0 the entry holds no lease,
 * whatever stands in it.
 */
export const ENTRY_OFFSET = { pid: 0, cursor: 8, missed: 16, leases: 32 } as const;

export const LEASE_LAYOUT: SegmentLayout = {
  option: '--ring',
  magic: LEASE_MAGIC,
  headerSize: LEASE_HEADER_SIZE,
  ownerOffset: LEASE_OFFSET.owner,
};

export function leaseTableName(ring: string): string {
  return `${ring}.leases`;
}

export function entryOffset(entry: number): number {
  return LEASE_HEADER_SIZE + entry * LEASE_ENTRY_SIZE;
}

/** Ties a table to its ring: one left by an earlier ring of the same name is not taken for this one's. Never 0. */
export function newRingId(): bigint {
  return randomBytes(8).readBigUInt64LE() | 1n;
}
