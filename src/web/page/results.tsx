/** Counts and yield, and the last results with their frames: click one to look at it. */
import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { type Judged, ofCamera, type ResultList } from './api.js';
import { drawResult, WORDS } from './draw.js';
import { timeOfDay, usePolled } from './hooks.js';

type Shown = ResultList['results'][number];
const FILTERS = { 'ng,failed': 'NG and failed', ng: 'NG', failed: 'Failed', 'ok,ng,failed': 'All' } as const;
const MOST = 60;

export function Results({ camera }: { camera: string }): JSX.Element {
  const [outcome, setOutcome] = useState<string>('ng,failed');
  const [reason, setReason] = useState<string>('*');
  const [open, setOpen] = useState<Shown>();
  const query = new URLSearchParams({ outcome, limit: String(MOST), ...(reason === '*' ? {} : { reason }) });
  const { value, error } = usePolled<ResultList>(ofCamera(camera, `/results?${query}`), 1_000);
  return (
    <section class="panel results" aria-label="Results">
      <h2>Results</h2>
      {value && <Counts list={value} />}
      <div class="bar">
        <label>
          Show{' '}
          <select value={outcome} onChange={(event) => setOutcome(event.currentTarget.value)}>
            {Object.entries(FILTERS).map(([key, text]) => (
              <option key={key} value={key}>
                {text}
              </option>
            ))}
          </select>
        </label>
        <label>
          Reason{' '}
          <select value={reason} onChange={(event) => setReason(event.currentTarget.value)}>
            <option value="*">any</option>
            {Object.entries(value?.reasons ?? {}).map(([name, count]) => (
              <option key={name} value={name}>
                {name || 'none given'} ({count})
              </option>
            ))}
          </select>
        </label>
      </div>
      {error && <p class="wrong">{error}</p>}
      {value?.results.length === 0 && <p class="empty">None so far.</p>}
      <ul class="strip">
        {value?.results.map((one) => (
          <li key={one.key}>
            <button type="button" class={`card ${one.outcome}`} onClick={() => setOpen(one)}>
              {one.picture ? (
                <img src={one.picture} alt="" loading="lazy" />
              ) : (
                <span class="nopicture">not kept</span>
              )}
              <span>{WORDS[one.outcome]}</span>
              <span class="reason" title={one.message || one.reason || ''}>
                {one.reason ?? ''}
              </span>
              <time dateTime={new Date(one.timestampMs).toISOString()}>{timeOfDay(one.timestampMs)}</time>
            </button>
          </li>
        ))}
      </ul>
      {open && <ResultDialog result={open} onClose={() => setOpen(undefined)} />}
    </section>
  );
}

function Counts({ list }: { list: ResultList }): JSX.Element {
  const { ok, ng, failed, skipped } = list.counts;
  return (
    <dl class="counts">
      <Count name={WORDS.ok} value={ok} />
      <Count name={WORDS.ng} value={ng} />
      <Count name="No verdict" value={failed} />
      <Count name="Not called" value={skipped} />
      <Count name="Yield" value={list.yield === null ? '–' : `${(100 * list.yield).toFixed(1)} %`} />
    </dl>
  );
}

const Count = ({ name, value }: { name: string; value: number | string }): JSX.Element => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

function ResultDialog({ result, onClose }: { result: Shown; onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-label={`Result of frame ${result.sequence}`}>
      <h2>
        {WORDS[result.outcome]} {result.reason}
      </h2>
      {result.picture ? (
        <ResultPicture result={result} src={result.picture} />
      ) : (
        <p>Its frame is not kept any more.</p>
      )}
      {result.message && <p>{result.message}</p>}
      <p>
        Frame {result.sequence}, {new Date(result.timestampMs).toLocaleString()}. The algorithm took{' '}
        {result.latencyMs.toFixed(1)} ms, {result.totalMs.toFixed(1)} ms with waiting.
      </p>
      <Marks result={result} />
      <div class="bar">
        {result.picture && (
          <a class="button" href={result.picture} download={`${result.key}.jpg`}>
            Save the frame
          </a>
        )}
        <button type="button" onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  );
}

/** What is drawn, as text. */
function Marks({ result }: { result: Judged }): JSX.Element | null {
  if (result.defectRects.length === 0) return null;
  return (
    <ul>
      {result.defectRects.map((rect, index) => (
        <li key={index}>
          {rect.label ?? 'Defect'} at x {Math.round(rect.x)}, y {Math.round(rect.y)}, {Math.round(rect.width)}{' '}
          × {Math.round(rect.height)}
          {rect.score === undefined ? '' : `, score ${rect.score.toFixed(2)}`}
        </li>
      ))}
    </ul>
  );
}

function ResultPicture({ result, src }: { result: Judged; src: string }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const [gone, setGone] = useState(false);
  useEffect(() => {
    const image = new Image();
    image.onload = () => {
      const target = canvas.current;
      if (!target) return;
      target.width = image.naturalWidth;
      target.height = image.naturalHeight;
      const context = target.getContext('2d')!;
      context.drawImage(image, 0, 0);
      drawResult(context, result);
    };
    image.onerror = () => setGone(true);
    image.src = src;
  }, [result, src]);
  if (gone) return <p>Its frame is not kept any more.</p>;
  return <canvas ref={canvas} role="img" aria-label={`Frame ${result.sequence} with what was found`} />;
}
