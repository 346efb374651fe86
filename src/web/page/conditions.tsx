/** How camera, algorithm and destinations are, in words, with what to do. */
import type { JSX } from 'preact';
import { type Cameras, type Condition, command, type Note, type Summary } from './api.js';
import { timeOfDay, useAction } from './hooks.js';
import { RecordButton } from './recording.js';

/** Destinations of frames whose names do not say enough. */
const SINKS: Readonly<Record<string, string>> = {
  'kept-ng': 'NG frames',
  recording: 'Recording',
  segment: 'Shared memory',
};

export function Conditions({ camera, errors }: { camera: Summary; errors: readonly Note[] }): JSX.Element {
  const action = useAction();
  const { id, streaming, algorithm, failing } = camera;
  return (
    <section class="panel state-panel" aria-label="State">
      <h2>State</h2>
      <div role="status">
        <State name="Camera" condition={camera.camera} />
        {algorithm && <State name="Algorithm" condition={algorithm} />}
        {failing.map((note) => (
          <p key={note.sink} class="state wrong">
            <b>✗ {SINKS[note.sink] ?? note.sink}</b> since {timeOfDay(note.timeMs)}: {note.message}
          </p>
        ))}
      </div>
      {algorithm && algorithm.log.length > 0 && (
        <details open={!algorithm.ok}>
          <summary>What the algorithm said last</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
          <pre tabIndex={0}>{algorithm.log.join('\n')}</pre>
        </details>
      )}
      {errors.length > 0 && (
        <details>
          <summary>The last errors ({errors.length})</summary>
          <ul>
            {errors.toReversed().map((note, index) => (
              <li key={index}>
                {timeOfDay(note.timeMs)} {note.code}: {note.message}
              </li>
            ))}
          </ul>
        </details>
      )}
      <div class="bar">
        <button
          type="button"
          disabled={action.busy}
          onClick={() => void action.run(() => command(id, streaming ? 'stop_stream' : 'start_stream'))}
        >
          {streaming ? 'Stop frames' : 'Start frames'}
        </button>
        <RecordButton camera={id} />
      </div>
      {action.error && (
        <p class="wrong" role="alert">
          {action.error}
        </p>
      )}
    </section>
  );
}

function State({ name, condition }: { name: string; condition: Condition }): JSX.Element {
  const { ok, text, advice, sinceMs } = condition;
  return (
    <p class={`state ${ok ? 'well' : 'wrong'}`}>
      <b>
        {ok ? '✓' : '✗'} {name}
      </b>{' '}
      {text} {advice && <span class="advice">{advice} </span>}
      <small>since {timeOfDay(sinceMs)}</small>
    </p>
  );
}

/** Cameras that are not there yet. */
export function Waiting({ waiting }: { waiting: Cameras['waiting'] }): JSX.Element | null {
  if (waiting.length === 0) return null;
  return (
    <div class="panel" role="status">
      {waiting.map(({ port, message, sinceMs }) => (
        <p key={port} class="state wrong">
          <b>✗ {port}</b> has been waited for since {timeOfDay(sinceMs)}: {message}
        </p>
      ))}
    </div>
  );
}
