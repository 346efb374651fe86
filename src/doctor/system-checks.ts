/** What a bridge needs of the machine: Node, native packages, shared memory, files, and programs for what is optional. */
import { execFile } from 'node:child_process';
import { access, constants, readFile, statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import { LEAST_FILES } from '../errors.js';
import { findGstreamer } from '../gstreamer/index.js';
import { hasLibc } from '../libc.js';
import { bridgeOptionsSchema } from '../options/index.js';
import { packageField } from '../package.js';
import { type Check, failed, inContainer, ok, warning } from './check.js';

const SHM_DIRECTORY = '/dev/shm';
const MEBIBYTE = 2 ** 20;
/** A segment, a ring, decoded frames of one camera and the images of its algorithm fit into that. */
const ENOUGH_SHM = 32 * MEBIBYTE;
const ENOUGH_FILES = 1_024;

const run = promisify(execFile);

export function checkNode(): Check {
  const { version, arch, platform } = process;
  const least = packageField('engines.node').replace('>=', '');
  const text = `Node ${version} on ${platform} ${arch}`;
  const parts = (one: string): number[] => one.replace(/^v/, '').split('.').map(Number);
  const [[major = 0, minor = 0], [leastMajor = 0, leastMinor = 0]] = [parts(version), parts(least)];
  const old = major < leastMajor || (major === leastMajor && minor < leastMinor);
  if (!old) return ok('node', text);
  return failed('node', `${text} is too old: ${least} or newer is needed.`, 'npx n lts');
}

/** The packages with compiled parts, and what does not work without them. */
export async function checkPackages(): Promise<Check[]> {
  const install = 'npm install -g openmv-bridge --include=optional';
  const loads = async (load: () => Promise<unknown>): Promise<string | undefined> => {
    try {
      await load();
      return undefined;
    } catch (error) {
      return (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
    }
  };
  const [serialport, sharp] = await Promise.all([
    loads(() => import('serialport')),
    loads(() => import('sharp')),
  ]);
  const cannot = (name: string, without: string, why = ''): string =>
    `The package ${name} cannot be loaded on ${process.platform} ${process.arch}: ${without}.${why && ` ${why}`}`;
  return [
    serialport === undefined
      ? ok('serialport', 'The package serialport loads.')
      : failed('serialport', cannot('serialport', 'no serial port can be opened', serialport), install),
    process.platform === 'win32'
      ? warning('koffi', 'Shared memory and pseudo-terminals do not exist on Windows.')
      : hasLibc()
        ? ok('koffi', 'The package koffi loads.')
        : failed('koffi', cannot('koffi', 'no shared memory, and ports are not locked'), install),
    sharp === undefined
      ? ok('sharp', 'The package sharp loads.')
      : warning('sharp', cannot('sharp', 'no decoded frames, and no virtual camera', sharp), install),
  ];
}

export async function checkSharedMemory(directory = SHM_DIRECTORY): Promise<Check> {
  const name = 'shared memory';
  if (process.platform !== 'linux') {
    return warning(name, 'Segments in shared memory need Linux. Frames go to programs in other ways.');
  }
  const larger = inContainer()
    ? 'docker run --shm-size=256m ...'
    : `sudo mount -o remount,size=256M ${directory}`;
  const sizes = await statfs(directory).catch(() => undefined);
  if (sizes === undefined) {
    return failed(name, `There is no ${directory}.`, `sudo mount -t tmpfs tmpfs ${directory} --mkdir`);
  }
  const writable = await access(directory, constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!writable) {
    return failed(name, `This user may not write to ${directory}.`, `sudo chmod 1777 ${directory}`);
  }
  const free = sizes.bavail * sizes.bsize;
  const mebibytes = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
  const text = `${directory} has ${mebibytes(sizes.blocks * sizes.bsize)}, of which ${mebibytes(free)} are free`;
  const segment = bridgeOptionsSchema.shape.shmSize.parse(undefined);
  if (free < segment) {
    return failed(name, `${text}: too little for one segment of ${mebibytes(segment)}.`, larger);
  }
  if (free < ENOUGH_SHM) return warning(name, `${text}: little for rings and several cameras.`, larger);
  return ok(name, `${text}.`);
}

/** Node raises its own limit as far as it may: what counts is how far that is. */
export async function checkOpenFiles(): Promise<Check> {
  const name = 'open files';
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const [, soft] = /^Max open files\s+(\d+|unlimited)/m.exec(limits) ?? [];
  if (soft === undefined) return ok(name, 'The system does not say how many files may be open.');
  const limit = soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
  const text = `A process may have ${soft} files open`;
  const fix = `sudo prlimit --pid $$ --nofile=${ENOUGH_FILES * 4}:${ENOUGH_FILES * 4}`;
  if (limit < LEAST_FILES) return failed(name, `${text}: too few for one camera with an algorithm.`, fix);
  if (limit < ENOUGH_FILES) return warning(name, `${text}: few for several cameras and viewers.`, fix);
  return ok(name, `${text}.`);
}

export async function checkPython(signal?: AbortSignal): Promise<Check> {
  const answer = await run('python3', ['--version'], { signal }).catch(() => undefined);
  signal?.throwIfAborted();
  if (answer !== undefined) return ok('python3', `${answer.stdout.trim() || answer.stderr.trim()}.`);
  const text = 'There is no python3: algorithms and readers in Python cannot run.';
  return warning('python3', text, 'sudo apt-get install python3');
}

export async function checkGstreamer(signal?: AbortSignal): Promise<Check> {
  const { version, missing, packages } = await findGstreamer(signal);
  const fix = `sudo apt-get install ${packages.join(' ')}`;
  if (version === undefined) {
    return warning('GStreamer', 'There is no GStreamer: pipelines cannot run.', fix);
  }
  if (missing.length === 0) return ok('GStreamer', `GStreamer ${version}.`);
  const text = `GStreamer ${version} lacks ${missing.join(' and ')}: pipelines cannot run.`;
  return warning('GStreamer', text, fix);
}
