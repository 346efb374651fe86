/** What the server answers, as far as the page looks at it (`/openapi.json` has all of it), and how it is asked. */

export interface Condition {
  readonly state: string;
  readonly ok: boolean;
  readonly sinceMs: number;
  readonly text: string;
  readonly advice: string | null;
}

export interface Note {
  readonly timeMs: number;
  readonly code: string;
  readonly message: string;
}

export interface Summary {
  readonly id: string;
  readonly port: string;
  readonly camera: Condition;
  readonly algorithm: (Condition & { readonly log: readonly string[] }) | null;
  readonly streaming: boolean;
  readonly failing: readonly (Note & { readonly sink: string })[];
}

export interface Cameras {
  readonly cameras: readonly Summary[];
  readonly waiting: readonly { readonly port: string; readonly sinceMs: number; readonly message: string }[];
}

export interface Details extends Summary {
  readonly script: { readonly running: boolean | null; readonly output: string };
  readonly errors: readonly Note[];
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  readonly label?: string;
  readonly score?: number;
}

export type Outcome = 'ok' | 'ng' | 'failed' | 'skipped';

export interface Judged {
  readonly key: string;
  readonly sequence: number;
  readonly timestampMs: number;
  readonly outcome: Exclude<Outcome, 'skipped'>;
  readonly reason: string | null;
  readonly message: string | null;
  readonly defectRects: readonly Rect[];
  readonly positionRects: readonly Rect[];
  readonly calibrationRects: readonly Rect[];
  readonly latencyMs: number;
  readonly totalMs: number;
}

export interface ResultList {
  readonly counts: Readonly<Record<Outcome, number>>;
  readonly yield: number | null;
  readonly reasons: Readonly<Record<string, number>>;
  readonly results: readonly (Judged & { readonly picture: string | null })[];
}

export type ControlValue = number | string | boolean | readonly number[] | null;

export interface Control {
  readonly name: string;
  readonly title: string;
  readonly kind: 'number' | 'choice' | 'switch' | 'temperature';
  readonly unit: string | null;
  readonly minimum: number | null;
  readonly maximum: number | null;
  readonly step: number | null;
  readonly choices: readonly string[] | null;
  readonly canBeAuto: boolean;
  readonly value: ControlValue;
  readonly auto: boolean | null;
  readonly refused: string | null;
}

export interface History {
  /** New at each start of the bridge. */
  readonly runId: string;
  readonly timeMs: readonly number[];
  readonly series: Readonly<Record<string, readonly (number | null)[]>>;
}

/** The reply of `get_recording`. */
export interface RecordingState {
  readonly recording: boolean;
  readonly path: string | null;
  /** While it records; bridges on other machines may be older. */
  readonly bytes?: number;
  readonly lost?: number;
  readonly cameras?: readonly string[];
}

/** The address of something of one camera. */
export const ofCamera = (id: string, rest = ''): string => `/api/cameras/${encodeURIComponent(id)}${rest}`;

/** Longer than the server takes for anything but a pipeline's end. */
const TIMEOUT_MS = 40_000;

/** Asks the server. Rejects with an Error whose message is for people. */
export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MS), ...init });
  } catch {
    throw new Error('The bridge does not answer. Is it running?');
  }
  const body: unknown = await answer.json().catch(() => undefined);
  if (answer.ok) return body as T;
  const { message } = (body ?? {}) as { message?: string };
  throw new Error(message ?? `The bridge answered with status ${answer.status}.`);
}

export const asJson = (method: 'POST' | 'PUT', body: unknown): RequestInit => ({
  ...{ method, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) },
});

export const send = <T>(method: 'POST' | 'PUT', path: string, body: unknown): Promise<T> =>
  ask<T>(path, asJson(method, body));

/** The address of a command of the control socket, for one camera. */
export const commandPath = (camera: string, name: string): string =>
  `/api/commands/${name}?camera=${encodeURIComponent(camera)}`;

export const command = <T = unknown>(camera: string, name: string, params: object = {}): Promise<T> =>
  send<T>('POST', commandPath(camera, name), params);

export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
