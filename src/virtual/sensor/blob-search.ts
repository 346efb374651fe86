/** `find_blobs` of the module `image`: its arguments come, and its blobs go, through the shared words. */
import { BOUND_OFFSET } from '../interpreter/codes.js';
import type { Interpreter } from '../interpreter/interpreter.js';
import { type Blob, findBlobs, type Picture, type Region } from './blobs.js';

/** Words for L, A and B. */
const BOUNDS = 6;

export class BlobSearch {
  readonly #interpreter: Interpreter;
  readonly #picture: () => Picture;
  #bounds: number[][] = [];
  #region: Region = { x: 0, y: 0, w: 0, h: 0 };
  #strideX = 1;
  #strideY = 1;
  #blobs: Blob[] = [];

  constructor(interpreter: Interpreter, picture: () => Picture) {
    this.#interpreter = interpreter;
    this.#picture = picture;
  }

  /** Least and most of each colour are in the words; `more`: others were given before. */
  addBounds(more: boolean): number {
    if (!more) this.#bounds = [];
    const word = (index: number): number => this.#interpreter.word(index) - BOUND_OFFSET;
    this.#bounds.push(Array.from({ length: BOUNDS }, (_, index) => word(index)));
    return 0;
  }

  /** The region's place and size are in the words. */
  setRegion(strideX: number, strideY: number): number {
    const { width, height } = this.#picture();
    const [x, y, w, h] = [0, 1, 2, 3].map((at) => this.#interpreter.word(at)) as [
      number,
      number,
      number,
      number,
    ];
    const [left, top] = [Math.min(x, width), Math.min(y, height)];
    this.#region = { x: left, y: top, w: Math.min(w, width - left), h: Math.min(h, height - top) };
    this.#strideX = strideX;
    this.#strideY = strideY;
    return 0;
  }

  /** How many there are; `margin` below 0: none is merged. */
  find(invert: boolean, leastArea: number, leastPixels: number, margin: number): number {
    this.#blobs = findBlobs(this.#picture(), this.#bounds, {
      region: this.#region,
      ...{ strideX: this.#strideX, strideY: this.#strideY, invert, leastArea, leastPixels },
      margin: margin < 0 ? undefined : margin,
    });
    return this.#blobs.length;
  }

  /** Puts one of them into the words: place, size, pixels, centre. */
  get(index: number): number {
    const { x, y, w, h, pixels, sumX, sumY } = this.#blobs[index]!;
    const values = [x, y, w, h, pixels, Math.floor(sumX / pixels), Math.floor(sumY / pixels)];
    values.forEach((value, at) => {
      this.#interpreter.setWord(at, value);
    });
    return 0;
  }
}
