/** The camera's script: what it prints, and another one in its place. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { command, type Details } from './api.js';
import { useAction } from './hooks.js';

/** What the server takes in a body, with room for the JSON around it. */
const LONGEST_SCRIPT = 500_000;

export function ScriptPanel({ camera }: { camera: Details }): JSX.Element {
  const [text, setText] = useState('');
  const action = useAction();
  const output = useRef<HTMLPreElement>(null);
  const { id, streaming } = camera;
  const { running, output: printed } = camera.script;
  // The end is what is looked at.
  useEffect(() => output.current?.scrollTo(0, output.current.scrollHeight), [printed]);

  const execute = async (): Promise<void> => {
    if (streaming) await command(id, 'stop_stream');
    await command(id, 'exec_script', { script: text });
  };
  const take = async (file: File | undefined): Promise<void> => {
    if (!file) return;
    if (file.size > LONGEST_SCRIPT) throw new Error(`${file.name} is longer than ${LONGEST_SCRIPT} bytes.`);
    setText(await file.text());
  };
  const dropped = (event: DragEvent): void => {
    event.preventDefault();
    void action.run(() => take(event.dataTransfer?.files[0]));
  };

  return (
    <section class="panel" aria-label="Script on the camera">
      <h2>Script on the camera</h2>
      <p>
        {running === null
          ? 'The camera does not say whether a script runs.'
          : running
            ? 'It runs.'
            : 'No script runs.'}
      </p>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <pre ref={output} role="log" aria-label="What the script prints" aria-live="off" tabIndex={0}>
        {printed || 'It has printed nothing.'}
      </pre>
      <details>
        <summary>Run another script</summary>
        <label>
          MicroPython, pasted or dropped here. Frames stop; “Start frames” brings them back.
          <textarea
            rows={8}
            spellcheck={false}
            value={text}
            onInput={(event) => setText(event.currentTarget.value)}
            onDragOver={(event) => event.preventDefault()}
            onDrop={dropped}
          />
        </label>
        <div class="bar">
          <label class="button">
            Choose a file
            <input
              type="file"
              accept=".py"
              class="hidden"
              onChange={(event) => {
                const file = event.currentTarget.files?.[0];
                void action.run(() => take(file));
              }}
            />
          </label>
          <button
            type="button"
            disabled={text.trim() === '' || action.busy}
            onClick={() => void action.run(execute)}
          >
            Run it
          </button>
          <button
            type="button"
            disabled={streaming || !running || action.busy}
            onClick={() => void action.run(() => command(id, 'stop_script'))}
          >
            Stop it
          </button>
        </div>
      </details>
      {action.error && (
        <p class="wrong" role="alert">
          {action.error}
        </p>
      )}
    </section>
  );
}
