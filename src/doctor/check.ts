/** What a check comes to. */
import { existsSync } from 'node:fs';

export const CHECK_STATUSES = ['ok', 'warning', 'failed'] as const;

export interface Check {
  /** Stable, for programs: `node`, `shared memory`, `port /dev/ttyACM0`. */
  readonly name: string;
  /** `failed`: a run would not do its main job. `warning`: something beside it is missing, or will be a nuisance. */
  readonly status: (typeof CHECK_STATUSES)[number];
  readonly text: string;
  /** A command for a shell that puts it right; null: there is nothing to do, or no command does it. */
  readonly fix: string | null;
}

export const ok = (name: string, text: string): Check => ({ name, status: 'ok', text, fix: null });

export const warning = (name: string, text: string, fix: string | null = null): Check => ({
  name,
  status: 'warning',
  text,
  fix,
});

export const failed = (name: string, text: string, fix: string | null = null): Check => ({
  name,
  status: 'failed',
  text,
  fix,
});

/** Whether this runs in a container of Docker or Podman, which marks it with a file. */
export const inContainer = (): boolean => existsSync('/.dockerenv') || existsSync('/run/.containerenv');

/** This very command with other words, for a shell, as root. */
export function asRoot(...words: readonly string[]): string {
  const program = [process.execPath, process.argv[1] ?? 'openmv-bridge'];
  return ['sudo', ...program, ...words].map(quoted).join(' ');
}

/** One word of a command line. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
