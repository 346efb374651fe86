/** The live picture of a camera, with the rectangles and the verdict of exactly the frame that is shown. */
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Summary } from './api.js';
import { drawResult, type Lens, lensOf, pixelAt, WORDS } from './draw.js';
import { LensView } from './lens.js';
import { type About, type Picture, PictureFeed } from './picture-feed.js';

/** How often the figures of the lens are taken: they cost some milliseconds. */
const LENS_MS = 200;

export function Live({ camera, large }: { camera: Summary; large: boolean }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const box = useRef<HTMLElement>(null);
  const feed = useRef<PictureFeed | undefined>(undefined);
  const last = useRef<Picture | undefined>(undefined);
  const [shown, setShown] = useState<About>();
  const [frozen, setFrozen] = useState(false);
  const [lens, setLens] = useState<Lens>();
  const [lensOpen, setLensOpen] = useState(false);
  const [pointed, setPointed] = useState('');
  const wantsLens = useRef(false);
  wantsLens.current = lensOpen;

  useEffect(() => {
    let lensAt = 0;
    const show = (picture: Picture): void => {
      last.current?.bitmap.close();
      last.current = picture;
      if (canvas.current) draw(canvas.current, picture);
      const { bitmap, jpeg: _jpeg, ...about } = picture;
      setShown(about);
      if (!wantsLens.current || performance.now() - lensAt < LENS_MS) return;
      lensAt = performance.now();
      setLens(lensOf(bitmap));
    };
    feed.current = new PictureFeed(camera.id, show);
    return () => {
      feed.current?.close();
      last.current?.bitmap.close();
      last.current = undefined;
    };
  }, [camera.id]);

  const freeze = (): void => {
    feed.current?.freeze(!frozen);
    setFrozen(!frozen);
  };
  const openLens = (): void => {
    setLensOpen(!lensOpen);
    if (!lensOpen && last.current) setLens(lensOf(last.current.bitmap));
  };
  const fullscreen = (): void => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void box.current?.requestFullscreen();
  };
  const point = (event: PointerEvent): void => {
    const picture = last.current;
    if (!picture || !canvas.current) return;
    const { left, top, width, height } = canvas.current.getBoundingClientRect();
    // The picture is in the middle of its canvas where that has another shape.
    const scale = Math.min(width / picture.width, height / picture.height);
    const x = clamp((event.clientX - left - width / 2) / scale + picture.width / 2, picture.width - 1);
    const y = clamp((event.clientY - top - height / 2) / scale + picture.height / 2, picture.height - 1);
    const [red, green, blue] = pixelAt(picture.bitmap, x, y);
    setPointed(`x ${x}, y ${y}: red ${red}, green ${green}, blue ${blue}`);
  };

  const outcome = shown?.outcome ?? null;
  const result = shown?.result;
  // The reason of a failure is a word for programs.
  const why = outcome === 'failed' ? result?.message || result?.reason : result?.reason;
  return (
    <section class="live" ref={box} aria-label={`Live picture of ${camera.id}`}>
      <div class="picture">
        <canvas
          ref={canvas}
          role="img"
          aria-label={describe(shown, camera)}
          onPointerMove={point}
          onPointerLeave={() => setPointed('')}
        />
        {shown === undefined && <p class="empty">No frame has come yet.</p>}
        {outcome && (
          <output class={`verdict ${outcome}`} aria-live="off">
            {WORDS[outcome]}
            {why && `: ${why}`}
          </output>
        )}
        {frozen && <span class="frozen">frozen</span>}
        {!frozen && shown && !camera.camera.ok && <span class="frozen">not live</span>}
      </div>
      <p class="caption">
        {pointed ||
          (shown
            ? `Frame ${shown.sequence}, ${shown.width} × ${shown.height}, ${kilobytes(shown.bytes)}`
            : ' ')}
      </p>
      {large && (
        <Bar>
          <button type="button" aria-pressed={frozen} onClick={freeze}>
            {frozen ? 'Go on' : 'Freeze'}
          </button>
          <button type="button" onClick={fullscreen}>
            Full screen
          </button>
          <button type="button" aria-expanded={lensOpen} onClick={openLens}>
            Set up the lens
          </button>
          <button
            type="button"
            disabled={!shown}
            onClick={() => last.current && save(last.current, camera.id)}
          >
            Save the frame
          </button>
        </Bar>
      )}
      {large && lensOpen && lens && <LensView lens={lens} />}
    </section>
  );
}

/** Saves what is shown, as the camera sent it. */
function save({ jpeg, sequence }: Picture, camera: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(jpeg);
  link.download = `${camera}-${sequence}.jpg`;
  link.click();
  URL.revokeObjectURL(link.href);
}

export const Bar = ({ children }: { children: ComponentChildren }): JSX.Element => (
  <div class="bar">{children}</div>
);

function draw(canvas: HTMLCanvasElement, { bitmap, result, sequence }: Picture): void {
  if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
  }
  const context = canvas.getContext('2d')!;
  context.drawImage(bitmap, 0, 0);
  if (result) drawResult(context, result);
  canvas.dataset['sequence'] = String(sequence);
  canvas.dataset['judged'] = result ? String(result.sequence) : '';
}

function describe(shown: About | undefined, camera: Summary): string {
  if (!shown) return `No frame of ${camera.id} yet`;
  const verdict = shown.outcome ? `, ${WORDS[shown.outcome].slice(2)}` : '';
  const marks = shown.result ? shown.result.defectRects.length : 0;
  return `Frame ${shown.sequence} of ${camera.id}${verdict}${marks > 0 ? `, ${marks} marked places` : ''}`;
}

const clamp = (value: number, most: number): number => Math.max(0, Math.min(most, Math.floor(value)));
const kilobytes = (bytes: number): string => `${(bytes / 1_000).toFixed(1)} kB`;
