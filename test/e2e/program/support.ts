/** What the end-to-end tests share: a scratch directory, names in shared memory, the camera they run on. */
import { readdirSync, rmSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'crc';
import { afterAll, beforeAll, expect } from 'vitest';
import type { JsonLine } from './program.js';

/** A real camera's port, or the virtual camera. */
export const PORT = process.env['OPENMV_PORT'] ?? 'virtual';
export const ON_HARDWARE = PORT !== 'virtual';

const root = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));
export const EXAMPLE_PYTHON = root('tools/algorithms/example_algorithm.py');
export const EXAMPLE_NODE = root('tools/algorithms/example_algorithm.mjs');

/** A directory for the length of a test file. */
export function useScratch(): { path(name: string): string } {
  let dir = '';
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'openmv-e2e-'));
  });
  afterAll(async () => {
    await rm(dir, { recursive: true, force: true });
  });
  return { path: (name) => join(dir, name) };
}

/**
 * Kills a camera that is served on a pty, and removes its link first: the number of a killed pty is given to the next
 * one, which may be another test's, and a host that follows the link left behind would be a guest there.
 */
export function unplug(camera: { kill(signal: 'SIGKILL'): void }, link: string): void {
  rmSync(link);
  camera.kill('SIGKILL');
}

let segments = 0;

/** A segment name that no other test has. */
export function segmentName(): string {
  return `/openmv_test_${process.pid}_${segments++}`;
}

/** What this project left in shared memory under a name, and private image directories of processes. */
export function leftovers(name: string, pid?: number): string[] {
  return readdirSync('/dev/shm').filter(
    (entry) =>
      entry.includes(name.slice(1)) || (pid !== undefined && entry.startsWith(`openmv-bridge-${pid}-`)),
  );
}

export interface Capture {
  readonly frame: number;
  readonly crc32: string;
  readonly bytes: number;
}

/** What the virtual camera wrote down of its captures. */
export async function readLedger(path: string): Promise<Capture[]> {
  const text = await readFile(path, 'utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Capture);
}

export const crcOf = (bytes: Buffer): string => (crc32(bytes) >>> 0).toString(16).padStart(8, '0');

/** Sequence 1 to `count`, each once, in order. */
export function expectSequence(frames: readonly JsonLine[], count: number): void {
  expect(frames.map((frame) => frame['sequence'])).toEqual(
    Array.from({ length: count }, (_, index) => index + 1),
  );
}

/** Every frame announced is a capture of the camera, none twice, in the order of capture. */
export function expectCaptured(frames: readonly JsonLine[], ledger: readonly Capture[]): void {
  const numbers = new Map(ledger.map((capture) => [`${capture.crc32} ${capture.bytes}`, capture.frame]));
  const delivered = frames.map((frame) => numbers.get(`${frame['crc32']} ${frame['bytes']}`));
  expect(delivered).not.toContain(undefined);
  expect(delivered).toEqual([...new Set(delivered)].sort((a, b) => a! - b!));
}

/** The files are the frames that were announced, byte for byte. */
export async function expectSaved(directory: string, frames: readonly JsonLine[]): Promise<void> {
  const names = (await readdir(directory)).sort();
  expect(names).toEqual(
    frames.map((frame) => `${frame['cameraId']}-${String(frame['sequence']).padStart(8, '0')}.jpg`),
  );
  for (const [index, name] of names.entries()) {
    expect(crcOf(await readFile(join(directory, name))), name).toBe(frames[index]!['crc32']);
  }
}
