/** The sensor's settings as widgets: what each takes comes from the server, and each shows what the sensor answered. */
import type { JSX, TargetedEvent } from 'preact';
import { useEffect, useId, useState } from 'preact/hooks';
import { type Control, type ControlValue, ofCamera, send } from './api.js';
import { useAction, usePolled } from './hooks.js';

interface Controls {
  readonly controls: readonly Control[];
}

/** The sensor is asked while the camera streams: not often. */
const INTERVAL_MS = 5_000;

export function ControlPanel({ camera }: { camera: string }): JSX.Element {
  const path = ofCamera(camera, '/controls');
  const { value, error, refresh } = usePolled<Controls>(path, INTERVAL_MS);
  const change = useAction();
  const set = (control: Control, wanted: ControlValue): void => {
    // What was refused is told by the control itself: it is asked for again in either case.
    void change.run(() => send('PUT', path, bodyOf(control, wanted)).finally(refresh));
  };
  return (
    <section class="panel" aria-label="Camera settings" aria-busy={change.busy}>
      <h2>Camera settings</h2>
      {(change.error ?? error) && (
        <p class="wrong" role="alert">
          {change.error ?? error}
        </p>
      )}
      {value?.controls.map((control) => (
        <ControlView key={control.name} control={control} onChange={(wanted) => set(control, wanted)} />
      ))}
    </section>
  );
}

/** `ehdr.enable` is a part of `ehdr`; a temperature has its name. */
export function bodyOf(control: Control, wanted: ControlValue): Record<string, unknown> {
  const [name, part] = control.name.split('.') as [string, string?];
  if (part !== undefined) return { [name]: { [part]: wanted } };
  return { [name]: control.kind === 'temperature' && wanted !== 'auto' ? { temperature: wanted } : wanted };
}

interface Wants {
  readonly control: Control;
  readonly onChange: (wanted: ControlValue) => void;
}

function ControlView({ control, onChange }: Wants): JSX.Element {
  const id = useId();
  const { auto, canBeAuto, title, unit, refused } = control;
  return (
    <div class="control">
      <label for={id}>
        {title}
        {unit && <small> {unit}</small>}
      </label>
      <Widget id={id} control={control} onChange={onChange} />
      {canBeAuto && (
        <label class="auto">
          <input
            type="checkbox"
            checked={auto === true}
            aria-label={`${title}: automatic`}
            onChange={(event) => onChange(event.currentTarget.checked ? 'auto' : manual(control))}
          />{' '}
          auto
        </label>
      )}
      <output for={id}>{answered(control)}</output>
      {refused && <p class="wrong">{refused}</p>}
    </div>
  );
}

function Widget({ id, control, onChange }: Wants & { id: string }): JSX.Element {
  const { kind, value, choices } = control;
  if (kind === 'switch') {
    const checked = value === true;
    return (
      <input
        id={id}
        type="checkbox"
        checked={checked}
        onChange={(event) => onChange(event.currentTarget.checked)}
      />
    );
  }
  if (kind === 'choice') {
    const all = [...(choices ?? [])];
    // A size that has no name.
    if (typeof value === 'string' && !all.includes(value)) all.unshift(value);
    return (
      <select
        id={id}
        value={typeof value === 'string' ? value : ''}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        {value === null && <option value="">?</option>}
        {all.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    );
  }
  return <NumberWidget id={id} control={control} onChange={onChange} />;
}

/** A slider where both ends are known, and a field for the exact number. */
function NumberWidget({ id, control, onChange }: Wants & { id: string }): JSX.Element {
  const { minimum, maximum, step, value } = control;
  const known = typeof value === 'number' ? value : control.kind === 'temperature' ? DAYLIGHT_K : undefined;
  const [wanted, setWanted] = useState<number | undefined>(known);
  useEffect(() => setWanted(known), [known]);
  const common = {
    value: wanted ?? '',
    min: minimum ?? undefined,
    max: maximum ?? undefined,
    step: step ?? 'any',
    onInput: (event: TargetedEvent<HTMLInputElement>) => setWanted(event.currentTarget.valueAsNumber),
    onChange: (event: TargetedEvent<HTMLInputElement>) => {
      const number = event.currentTarget.valueAsNumber;
      if (!Number.isNaN(number)) onChange(number);
    },
  };
  const slider = minimum !== null && maximum !== null && maximum - minimum <= LONGEST_SLIDER;
  return (
    <span class="number">
      {slider && <input id={id} type="range" {...common} />}
      <input
        {...(slider ? { 'aria-label': `${control.title}: exact value` } : { id })}
        type="number"
        {...common}
      />
    </span>
  );
}

/** A slider of more steps cannot be set with a hand. */
const LONGEST_SLIDER = 100_000;
/** A white balance to begin with. */
const DAYLIGHT_K = 5_500;

/** What a value is set to when it is taken from the sensor's own choice. */
function manual({ kind, value, minimum }: Control): ControlValue {
  if (kind === 'temperature') return DAYLIGHT_K;
  return typeof value === 'number' ? value : (minimum ?? 0);
}

/** What the sensor answered, where the widget alone does not show it. */
function answered({ value, auto, unit }: Control): string {
  if (value === null) return auto ? 'automatic' : 'the sensor does not say';
  if (Array.isArray(value)) return `gains of red, green and blue: ${value.map(tidy).join(', ')} dB`;
  return auto ? `automatic: ${tidy(value as number | string | boolean)} ${unit ?? ''}` : '';
}

function tidy(value: number | string | boolean): string {
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return typeof value === 'number' ? String(Math.round(value * 100) / 100) : value;
}
