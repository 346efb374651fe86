/** Where a recording goes: one file, or segments in a folder, of which the oldest go at a limit. */
import { readdir, rm, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { BridgeError } from '../errors.js';
import { fileFailure, makeFolder } from '../files.js';
import { CANNOT_RECORD, moveEarlier, RecordingFile } from './recording-file.js';

/** Of a folder with a limit, a segment has at most this part: the rest is what it keeps. */
const LARGEST_PART = 1 / 4;
const SEGMENT = /^openmv-\d{8}-\d{6}-\d{3}\.mcap$/;

export interface SegmentLimits {
  /** Bytes after which another segment begins. */
  readonly splitBytes: number;
  /** Milliseconds after which another segment begins. */
  readonly splitMs?: number | undefined;
  /** Bytes of all segments in the folder, also of earlier recordings. */
  readonly maxBytes?: number | undefined;
}

export interface RecordingTarget {
  /** Opens the first file, or the next one; FILE_FAILED. */
  open(): Promise<RecordingFile>;
  /** Whether another file is due. FILE_FAILED: it is, and there is none. */
  full(file: RecordingFile): boolean;
  /** Where an earlier recording of that name was moved to; undefined: there was none. */
  readonly earlier?: string | undefined;
}

type Metadata = ReadonlyMap<string, string>;

/** A path that ends in `.mcap`, or that is there and no folder, is a file; any other is a folder. FILE_FAILED. */
export async function recordingTarget(
  path: string,
  metadata: Metadata,
  limits: SegmentLimits,
): Promise<RecordingTarget> {
  const found = await stat(path).catch(() => undefined);
  if (found ? !found.isDirectory() : extname(path) === '.mcap') return fileTarget(path, metadata);
  await makeFolder(CANNOT_RECORD, path);
  return folderTarget(path, metadata, limits);
}

async function fileTarget(path: string, metadata: Metadata): Promise<RecordingTarget> {
  const earlier = await moveEarlier(path);
  return {
    earlier,
    open: () => RecordingFile.open(path, metadata),
    full: ({ removed }) => {
      if (!removed) return false;
      throw new BridgeError(
        'FILE_FAILED',
        `The recording has ended: its file ${path} was removed. Begin another recording.`,
        { context: { path } },
      );
    },
  };
}

function folderTarget(
  folder: string,
  metadata: Metadata,
  {
    splitBytes: wanted,
    splitMs = Number.POSITIVE_INFINITY,
    maxBytes = Number.POSITIVE_INFINITY,
  }: SegmentLimits,
): RecordingTarget {
  let last = 0;
  const splitBytes = Math.min(wanted, maxBytes * LARGEST_PART);
  return {
    open: async () => {
      if (Number.isFinite(maxBytes)) await makeRoom(folder, maxBytes - splitBytes);
      // No two have one name, however fast they are full.
      last = Math.max(Date.now(), last + 1);
      return RecordingFile.open(join(folder, segmentName(last)), metadata);
    },
    full: ({ size, openedAtMs, empty, removed }) =>
      !empty && (removed || size >= splitBytes || Date.now() - openedAtMs >= splitMs),
  };
}

/** `openmv-20250131-235959-999.mcap`, in UTC: their names are in the order of their times. */
function segmentName(ms: number): string {
  const [day, time, rest] = new Date(ms).toISOString().replace(/[-:Z]/g, '').split(/[T.]/);
  return `openmv-${day}-${time}-${rest}.mcap`;
}

/** Removes the oldest segments until the others have at most so many bytes. */
async function makeRoom(folder: string, most: number): Promise<void> {
  try {
    const names = (await readdir(folder)).filter((name) => SEGMENT.test(name)).sort();
    const sizes = await Promise.all(
      names.map((name) =>
        stat(join(folder, name)).then(
          ({ size }) => size,
          () => 0,
        ),
      ),
    );
    let total = sizes.reduce((sum, size) => sum + size, 0);
    for (const [index, name] of names.entries()) {
      if (total <= most) return;
      await rm(join(folder, name), { force: true });
      total -= sizes[index]!;
    }
  } catch (cause) {
    throw await fileFailure(CANNOT_RECORD, folder, cause);
  }
}
