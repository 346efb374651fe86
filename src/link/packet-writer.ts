/** Gathers the packets of one turn, so that they leave in one write: each costs a system call, and on USB a transfer. */

/** Room for what goes together: an ACK, a release, some READs. Larger packets go by themselves. */
const ROOM = 512;

export class PacketWriter {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #held = new Uint8Array(ROOM);
  #length = 0;
  #turns = 0;

  /** `write`: bytes are valid only during the call. */
  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Sends a packet now, or with the others at the end of the turn. The bytes are the caller's again when it returns. */
  send(packet: Uint8Array): void {
    const fits = this.#length + packet.length <= ROOM;
    if (!fits || this.#turns === 0) this.flush();
    if (this.#turns === 0 || packet.length > ROOM) {
      this.#write(packet);
      return;
    }
    this.#held.set(packet, this.#length);
    this.#length += packet.length;
  }

  /** What is sent until the matching `end` goes together. Turns may be nested. */
  begin(): void {
    this.#turns++;
  }

  end(): void {
    if (--this.#turns === 0) this.flush();
  }

  flush(): void {
    const length = this.#length;
    if (length === 0) return;
    this.#length = 0;
    this.#write(this.#held.subarray(0, length));
  }
}
