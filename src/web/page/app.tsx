/** The page: every camera as a picture, or one with all there is to know of it. */
import { type JSX, render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { type Cameras, type Details, ofCamera, type Summary } from './api.js';
import { Charts } from './charts.js';
import { Conditions, Waiting } from './conditions.js';
import { ControlPanel } from './controls.js';
import { usePolled, useRemembered } from './hooks.js';
import { Live } from './live.js';
import { Results } from './results.js';
import { ScriptPanel } from './script.js';

const INTERVAL_MS = 1_000;
const THEMES = ['system', 'light', 'dark'] as const;

function App(): JSX.Element {
  const { value, error } = usePolled<Cameras>('/api/cameras', INTERVAL_MS);
  const [chosen, choose] = useHash();
  const [theme, setTheme] = useRemembered<(typeof THEMES)[number]>('theme', 'system');
  useEffect(() => {
    document.documentElement.dataset['theme'] = theme;
  }, [theme]);
  // They come in the order in which they were opened, which differs from run to run.
  const cameras = (value?.cameras ?? []).toSorted((one, other) =>
    one.id.localeCompare(other.id, 'en', { numeric: true }),
  );
  const camera = cameras.length === 1 ? cameras[0] : cameras.find(({ id }) => id === chosen);
  const several = cameras.length > 1;
  const title = camera ? `${camera.id}: openmv-bridge` : 'openmv-bridge';
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <>
      <header>
        <h1>openmv-bridge</h1>
        {several && (
          <nav aria-label="Cameras">
            <Tab name="All" current={camera === undefined} onClick={() => choose('')} />
            {cameras.map((one) => (
              <Tab
                key={one.id}
                name={`${wellOf(one)} ${one.id}`}
                current={one === camera}
                onClick={() => choose(one.id)}
              />
            ))}
          </nav>
        )}
        <label class="theme">
          Colours{' '}
          <select value={theme} onChange={(event) => setTheme(event.currentTarget.value as typeof theme)}>
            {THEMES.map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </label>
      </header>
      <main>
        {error && (
          <p class="state wrong" role="alert">
            {error}
          </p>
        )}
        {value && <Waiting waiting={value.waiting} />}
        {value && cameras.length === 0 && value.waiting.length === 0 && (
          <p>No camera is connected. One that comes is shown here by itself.</p>
        )}
        {camera ? (
          <One key={camera.id} camera={camera} theme={theme} />
        ) : (
          <div class="grid">
            {cameras.map((one) => (
              <Tile key={one.id} camera={one} onOpen={() => choose(one.id)} />
            ))}
          </div>
        )}
      </main>
      <footer>
        <a href="/openapi.json">HTTP interface</a> · <a href="/readyz">readiness</a>
      </footer>
    </>
  );
}

const wellOf = ({ camera, algorithm, failing }: Summary): string =>
  camera.ok && algorithm?.ok !== false && failing.length === 0 ? '✓' : '✗';

const Tab = ({
  name,
  current,
  onClick,
}: {
  name: string;
  current: boolean;
  onClick: () => void;
}): JSX.Element => (
  <button type="button" aria-current={current ? 'page' : undefined} onClick={onClick}>
    {name}
  </button>
);

function One({ camera, theme }: { camera: Summary; theme: string }): JSX.Element {
  const { value: details } = usePolled<Details>(ofCamera(camera.id), INTERVAL_MS);
  return (
    <div class="one">
      <div class="main">
        <Live camera={camera} large />
        {camera.algorithm && <Results camera={camera.id} />}
        <Charts camera={camera.id} theme={theme} />
      </div>
      <div class="side">
        <Conditions camera={camera} errors={details?.errors ?? []} />
        <ControlPanel camera={camera.id} />
        {details && <ScriptPanel camera={details} />}
      </div>
    </div>
  );
}

function Tile({ camera, onOpen }: { camera: Summary; onOpen: () => void }): JSX.Element {
  return (
    <section class="tile" aria-label={camera.id}>
      <h2>
        <button type="button" onClick={onOpen}>
          {wellOf(camera)} {camera.id}
        </button>
      </h2>
      <Live camera={camera} large={false} />
      {[camera.camera, camera.algorithm].map(
        (one) => one && !one.ok && <p class="state wrong">{one.text}</p>,
      )}
      {camera.failing.map(({ sink, message }) => (
        <p key={sink} class="state wrong">
          {message}
        </p>
      ))}
    </section>
  );
}

/** The camera that is looked at is part of the address: a reload and a bookmark keep it. */
function useHash(): [string, (id: string) => void] {
  const read = (): string => decodeURIComponent(location.hash.slice(1));
  const [id, setId] = useState(read);
  useEffect(() => {
    const changed = (): void => setId(read());
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  });
  return [
    id,
    (next) => {
      location.hash = encodeURIComponent(next);
    },
  ];
}

render(<App />, document.getElementById('app')!);
