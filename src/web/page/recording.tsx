/** Records the camera to a file of the bridge's machine, and tells where and how it goes; also what others have begun. */
import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { asJson, command, commandPath, type RecordingState } from './api.js';
import { useAction, usePolled } from './hooks.js';

const INTERVAL_MS = 1_000;
const QUESTION = asJson('POST', {});

export function RecordButton({ camera }: { camera: string }): JSX.Element {
  const path = commandPath(camera, 'get_recording');
  const { value, error, refresh } = usePolled<RecordingState>(path, INTERVAL_MS, QUESTION);
  const action = useAction();
  const [finished, setFinished] = useState<string>();

  const change = async (): Promise<void> => {
    setFinished(undefined);
    try {
      if (value?.recording) {
        setFinished((await command<{ path: string }>(camera, 'stop_recording')).path);
      } else {
        await command(camera, 'start_recording');
      }
    } finally {
      refresh();
    }
  };

  const known = value !== undefined && error === undefined;
  return (
    <>
      <button type="button" disabled={!known || action.busy} onClick={() => void action.run(change)}>
        {value?.recording ? 'Stop recording' : 'Record'}
      </button>
      <span class="recording" role="status">
        {value?.recording ? `● Records to ${value.path}` : finished && `Recorded to ${finished}`}
      </span>
      {value?.recording && <Progress camera={camera} state={value} />}
      {!value && error && <span class="wrong">It cannot be recorded from here: {error}</span>}
      {value && error && <span class="wrong">Whether it is being recorded is not known now.</span>}
      {action.error && (
        <span class="wrong" role="alert">
          {action.error}
        </span>
      )}
    </>
  );
}

/** Not part of what is read aloud when it changes. */
function Progress({ camera, state }: { camera: string; state: RecordingState }): JSX.Element {
  const { bytes, lost = 0, cameras = [] } = state;
  const others = cameras.filter((id) => id !== camera);
  return (
    <>
      {bytes !== undefined && <small>{(bytes / 1e6).toFixed(1)} MB</small>}
      {lost > 0 && <span class="wrong">{lost} frames are missing in it: the disk is too slow.</span>}
      {others.length > 0 && <small>Stopping it ends it for {others.join(', ')} too.</small>}
    </>
  );
}
