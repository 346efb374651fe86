/** Histogram and focus figure of what is shown. */
import type { JSX } from 'preact';
import { useRef } from 'preact/hooks';
import type { Lens } from './draw.js';

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export function LensView({ lens }: { lens: Lens }): JSX.Element {
  const best = useRef(0);
  best.current = Math.max(best.current, lens.focus);
  return (
    <div class="lens">
      <figure>
        <svg
          viewBox="0 0 64 32"
          preserveAspectRatio="none"
          role="img"
          aria-label="Histogram of brightness, dark to bright"
        >
          {lens.histogram.map((bin, index) => (
            <rect key={index} x={index} y={32 - 32 * bin} width="1" height={32 * bin} />
          ))}
        </svg>
        <figcaption>
          Brightness: {percent(lens.dark)} black, {percent(lens.bright)} white
        </figcaption>
      </figure>
      <label>
        Focus <b>{lens.focus.toFixed(1)}</b> (best so far {best.current.toFixed(1)})
        <meter min={0} max={best.current || 1} value={lens.focus} />
        <small>
          Turn the lens until it is largest. It is the mean square of the gradient of the frame's middle.
        </small>
      </label>
    </div>
  );
}
