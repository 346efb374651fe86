/**
 * The pictures that the sensor can take without waiting. Drawing goes on in the main thread; the shelf asks for
 * what is needed and for a few pictures ahead, and keeps what has come, up to a bound.
 */
import { type PictureSpec, specKey } from './picture-spec.js';

/** Pictures asked for beyond the one that is needed. */
const AHEAD = 4;
/** Bytes kept; the oldest picture goes first. */
const MAX_BYTES = 64 * 1024 * 1024;

type Ask = (id: number, spec: PictureSpec, index: number) => void;

export class PictureShelf {
  readonly #ask: Ask;
  #key = '';
  #spec: PictureSpec | undefined;
  #pictures = new Map<number, Uint8Array>();
  #bytes = 0;
  /** Pictures under way, of the present spec only: what was asked for before is no longer wanted. */
  #asked = new Map<number, number>();
  #nextId = 0;
  /** Who gets pictures that are for one capture alone. */
  readonly #orders = new Map<number, (picture: Uint8Array | undefined) => void>();
  /** Why the last picture could not be drawn. */
  failure: string | undefined;

  constructor(ask: Ask) {
    this.#ask = ask;
  }

  /** An id for a picture that is not kept: `take` gets it, or undefined and `failure`. */
  order(take: (picture: Uint8Array | undefined) => void): number {
    this.#orders.set(this.#nextId, take);
    return this.#nextId++;
  }

  /** The picture, or undefined when it has yet to come; then it has been asked for. */
  take(spec: PictureSpec, index: number, count: number): Uint8Array | undefined {
    if (spec !== this.#spec) this.#change(spec);
    this.#prefetch(spec, index, count);
    return this.#pictures.get(index);
  }

  /** Asks for the pictures that are probably taken next. */
  #prefetch(spec: PictureSpec, index: number, count: number): void {
    for (let ahead = 0; ahead <= Math.min(AHEAD, count - 1); ahead++) {
      const wanted = (index + ahead) % count;
      if (this.#pictures.has(wanted) || this.#isAsked(wanted)) continue;
      const id = this.#nextId++;
      this.#asked.set(id, wanted);
      this.#ask(id, spec, wanted);
    }
  }

  /** A picture has come. */
  put(id: number, bytes: Uint8Array): void {
    if (this.#deliver(id, bytes)) return;
    const index = this.#asked.get(id);
    if (index === undefined) return;
    this.#asked.delete(id);
    this.failure = undefined;
    this.#pictures.set(index, bytes);
    this.#bytes += bytes.length;
    for (const [oldest, picture] of this.#pictures) {
      if (this.#bytes <= MAX_BYTES || oldest === index) break;
      this.#pictures.delete(oldest);
      this.#bytes -= picture.length;
    }
  }

  /** A picture could not be drawn. */
  fail(id: number, message: string): void {
    if (this.#asked.delete(id) || this.#orders.has(id)) this.failure = message;
    this.#deliver(id, undefined);
  }

  #deliver(id: number, picture: Uint8Array | undefined): boolean {
    this.#orders.get(id)?.(picture);
    return this.#orders.delete(id);
  }

  #change(spec: PictureSpec): void {
    this.#spec = spec;
    const key = specKey(spec);
    if (key === this.#key) return;
    this.#key = key;
    this.#pictures.clear();
    this.#asked.clear();
    this.#bytes = 0;
    this.failure = undefined;
  }

  #isAsked(index: number): boolean {
    for (const asked of this.#asked.values()) if (asked === index) return true;
    return false;
  }
}
