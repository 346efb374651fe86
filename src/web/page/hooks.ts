/** What the parts of the page share: asking again and again, actions that can fail, what the browser remembers. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { ask, messageOf } from './api.js';

export interface Polled<T> {
  readonly value: T | undefined;
  /** Why the last answer did not come. The last value stays. */
  readonly error: string | undefined;
  /** Asks at once. */
  readonly refresh: () => void;
}

/** Asks for `path` every `intervalMs` while the page is seen, one question at a time. `init`: always the same object. */
export function usePolled<T>(path: string, intervalMs: number, init?: RequestInit): Polled<T> {
  const [answer, setAnswer] = useState<{ path: string; value?: T | undefined; error?: string }>({ path });
  const again = useRef<() => void>(() => undefined);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let ended = false;
    let asking = false;
    const look = async (): Promise<void> => {
      clearTimeout(timer);
      if (asking || ended) return;
      asking = true;
      try {
        if (!document.hidden) {
          const value = await ask<T>(path, init);
          if (!ended) setAnswer({ path, value });
        }
      } catch (error) {
        const said = messageOf(error);
        if (!ended)
          setAnswer((last) => ({ path, value: last.path === path ? last.value : undefined, error: said }));
      }
      asking = false;
      if (!ended) timer = setTimeout(look, intervalMs);
    };
    again.current = () => void look();
    const seen = (): void => void look();
    document.addEventListener('visibilitychange', seen);
    void look();
    return () => {
      ended = true;
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', seen);
    };
  }, [path, intervalMs, init]);
  const refresh = useCallback(() => again.current(), []);
  const mine = answer.path === path;
  return { value: mine ? answer.value : undefined, error: mine ? answer.error : undefined, refresh };
}

export interface Action {
  readonly busy: boolean;
  /** What went wrong the last time. */
  readonly error: string | undefined;
  readonly run: (work: () => Promise<unknown>) => Promise<void>;
}

/** Something a user starts: one at a time, with its error. */
export function useAction(): Action {
  const [state, setState] = useState<{ busy: boolean; error: string | undefined }>({
    busy: false,
    error: undefined,
  });
  const run = useCallback(async (work: () => Promise<unknown>) => {
    setState({ busy: true, error: undefined });
    try {
      await work();
      setState({ busy: false, error: undefined });
    } catch (error) {
      setState({ busy: false, error: messageOf(error) });
    }
  }, []);
  return { ...state, run };
}

/** A choice that this browser remembers. */
export function useRemembered<T extends string>(name: string, first: T): [T, (value: T) => void] {
  const key = `openmv-bridge.${name}`;
  const [value, setValue] = useState<T>(() => (localStorage.getItem(key) as T | null) ?? first);
  const choose = useCallback(
    (next: T) => {
      localStorage.setItem(key, next);
      setValue(next);
    },
    [key],
  );
  return [value, choose];
}

export const timeOfDay = (ms: number): string => new Date(ms).toLocaleTimeString();
