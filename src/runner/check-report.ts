import type { ImageReference } from '../adapter/dialects.js';

/** One thing that was tried, and what came of it. */
export interface CheckStep {
  readonly name:
    | 'hello'
    | 'ping'
    | 'pre'
    | 'call'
    | 'truncated image'
    | 'missing image'
    | 'shutdown'
    | 'stdout';
  /** `warning`: it works, and could be trusted more; `skipped`: an earlier step left nothing to try. */
  readonly status: 'ok' | 'warning' | 'failed' | 'skipped';
  readonly text: string;
  readonly ms: number | null;
}

export interface CheckReport {
  /** No step failed. */
  readonly ok: boolean;
  readonly sdkVersion: string | null;
  readonly capabilities: readonly string[];
  /** How it was called. */
  readonly dialect: string | null;
  readonly steps: readonly CheckStep[];
}

/** Pictures to call it with. The file of `missing` must not exist. */
export interface CheckPictures {
  readonly good: ImageReference;
  readonly truncated: ImageReference;
  readonly missing: ImageReference;
}
