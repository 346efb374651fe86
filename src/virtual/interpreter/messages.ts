/** Messages between the camera's Worker and the main thread. Bytes of the line are not among them: see line-memory.ts. */
import type { MessagePort } from 'node:worker_threads';
import type { SystemInfo, VersionInfo } from '../../protocol/index.js';
import type { LineMemory } from '../line/line-memory.js';
import type { PictureSpec, RawPixels } from '../pictures/picture-spec.js';

/** One JPEG that a script made. */
export interface Capture {
  /** Counts captures since the camera was opened, from 1; reboots do not reset it. */
  readonly frame: number;
  /** IEEE CRC-32 of the JPEG, 8 hex digits. */
  readonly crc32: string;
  readonly bytes: number;
  readonly width: number;
  readonly height: number;
}

/** The files in the top directory of a camera's file system, by name. */
export type CameraFiles = Readonly<Record<string, Uint8Array>>;

export type ToWorker =
  | { readonly type: 'picture'; readonly id: number; readonly bytes: Uint8Array }
  /** A pin gets a level from outside. */
  | { readonly type: 'pin'; readonly name: string; readonly level: 0 | 1 }
  | { readonly type: 'picture-failed'; readonly id: number; readonly message: string };

export type FromWorker =
  /** Look at the line. */
  | 0
  /** The device answers; its script begins now. */
  | { readonly type: 'ready' }
  | { readonly type: 'picture'; readonly id: number; readonly spec: PictureSpec; readonly index: number }
  /** A JPEG of these pixels is wanted, as a picture. */
  | {
      readonly type: 'encode';
      readonly id: number;
      readonly pixels: RawPixels;
      readonly quality: number;
      readonly fullChroma: boolean;
    }
  | { readonly type: 'capture'; readonly capture: Capture }
  /** The interpreter is to be started again; `stdout` is what the host has not read yet, `preview`: it wants previews. */
  | {
      readonly type: 'soft-reboot';
      readonly stdout: Uint8Array;
      readonly preview: boolean;
      readonly captures: number;
    }
  /** What is on its file system now. */
  | { readonly type: 'files'; readonly files: CameraFiles }
  /** The whole board is to be started again. */
  | { readonly type: 'reset'; readonly captures: number }
  /** The firmware itself has failed. */
  | { readonly type: 'failed'; readonly message: string };

export interface BoardIdentity {
  readonly system: SystemInfo;
  readonly version: VersionInfo;
}

/** What a Worker is started with. */
export interface WorkerSetup {
  readonly port: MessagePort;
  readonly line: LineMemory;
  readonly identity: BoardIdentity;
  readonly maxPayload: number;
  readonly files: CameraFiles;
  /** After power-on main.py runs, if there is one; after a soft reboot it does not. */
  readonly runMain: boolean;
  /** stdout text from before a soft reboot. */
  readonly stdout: Uint8Array;
  /** A host had enabled the preview before a soft reboot. */
  readonly preview: boolean;
  /** Captures made so far. */
  readonly captures: number;
  /** Frames per second whatever the script says; Infinity: as fast as it asks. */
  readonly fps: number | undefined;
  /** Milliseconds that making a JPEG blocks the camera. */
  readonly compressMs: number;
  /** Pictures in a loop, when they come from files; undefined: the test scene decides by frame size. */
  readonly pictureCount: number | undefined;
  /** Report captures. */
  readonly ledger: boolean;
}
