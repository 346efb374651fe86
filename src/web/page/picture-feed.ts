/** The frames of one camera over the WebSocket: one at a time, each the newest; `docs/http.md` has the form. */
import type { Judged, Outcome } from './api.js';

export interface Picture {
  readonly sequence: number;
  readonly width: number;
  readonly height: number;
  readonly bytes: number;
  readonly timestampMs: number;
  /** null: there is no algorithm, or it has not answered yet. */
  readonly outcome: Outcome | null;
  /** Of exactly this frame. */
  readonly result?: Judged;
  readonly bitmap: ImageBitmap;
  /** As the camera sent it. */
  readonly jpeg: Blob;
}

/** What is known of a frame but for its pixels. */
export type About = Omit<Picture, 'bitmap' | 'jpeg'>;

const RECONNECT_MS = 1_000;
/** A text of a frame's header is never longer. */
const LONGEST_HEADER = 1 << 20;

export class PictureFeed {
  readonly #camera: string;
  readonly #show: (picture: Picture) => void;
  #socket: WebSocket | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #frozen = false;
  /** A frame was asked for that has not come. */
  #asked = false;
  #closed = false;

  constructor(camera: string, show: (picture: Picture) => void) {
    this.#camera = camera;
    this.#show = show;
    this.#connect();
    document.addEventListener('visibilitychange', this.#ask);
  }

  /** Frames that come while it is frozen are not shown, and none are asked for. */
  freeze(frozen: boolean): void {
    this.#frozen = frozen;
    this.#ask();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    document.removeEventListener('visibilitychange', this.#ask);
    this.#socket?.close();
  }

  #connect(): void {
    const url = new URL(`/ws?camera=${encodeURIComponent(this.#camera)}`, location.href);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    this.#asked = false;
    socket.onopen = this.#ask;
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => void this.#take(data);
    socket.onclose = () => {
      if (!this.#closed) this.#timer = setTimeout(() => this.#connect(), RECONNECT_MS);
    };
    this.#socket = socket;
  }

  /** A page that is not seen asks for no frames. */
  readonly #ask = (): void => {
    const socket = this.#socket;
    if (this.#frozen || this.#asked || document.hidden || socket?.readyState !== WebSocket.OPEN) return;
    this.#asked = true;
    socket.send('ready');
  };

  async #take(data: ArrayBuffer): Promise<void> {
    const length = new DataView(data).getUint32(0, true);
    if (length > LONGEST_HEADER) return;
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length))) as About;
    const jpeg = new Blob([new Uint8Array(data, 4 + length)], { type: 'image/jpeg' });
    try {
      const bitmap = await createImageBitmap(jpeg);
      if (this.#closed || this.#frozen) bitmap.close();
      else this.#show({ ...header, bitmap, jpeg });
    } catch {
      // A JPEG that the browser cannot decode: the next one is asked for.
    }
    this.#asked = false;
    // No more than the screen shows.
    requestAnimationFrame(this.#ask);
  }
}
