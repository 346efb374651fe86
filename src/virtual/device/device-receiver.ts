/**
 * The device's receive buffer and its search for packets (vendor: omv_protocol_poll). It differs from the host's
 * decoder where the vendor's firmware does: a packet is looked at only when it is whole, so a request cut short
 * swallows what follows it until the buffer holds enough bytes, or a SYNC is found among them; and while a reply
 * waits for its ACK nothing but that ACK or NAK and SYNC is looked for.
 */

import {
  type Capabilities,
  Flag,
  HEADER_SIZE,
  headerCrc,
  Opcode,
  type PacketHeader,
  packetSize,
  payloadCrc,
  readHeader,
  readUint32,
  Status,
  SYNC_BYTE_0,
  SYNC_BYTE_1,
} from '../../protocol/index.js';

/** What the receiver asks of the device machine. */
export interface DeviceReceiverHost {
  readonly caps: Capabilities;
  readonly busy: boolean;
  /** No request is to be looked at for now. */
  readonly resting: boolean;
  acceptsSequence(header: Readonly<PacketHeader>): boolean;
  acknowledged(header: Readonly<PacketHeader>): boolean;
  synchronize(): void;
  process(header: Readonly<PacketHeader>, payload: Uint8Array): void;
  sendStatus(opcode: number, channel: number, status: number): void;
}

export class DeviceReceiver {
  readonly #host: DeviceReceiverHost;
  readonly #buffer: Uint8Array;
  #length = 0;
  /** Where the search for an ACK or a SYNC goes on: what lies before has been looked at. */
  #scanned = 0;

  /** `capacity`: bytes of the device's packet buffer. What does not fit is lost, as on the device. */
  constructor(capacity: number, host: DeviceReceiverHost) {
    this.#host = host;
    this.#buffer = new Uint8Array(capacity);
  }

  clear(): void {
    this.#length = 0;
    this.#scanned = 0;
  }

  /** Whether bytes wait that may be a request. */
  get holds(): boolean {
    return this.#length >= HEADER_SIZE;
  }

  push(bytes: Uint8Array): void {
    let at = 0;
    do {
      const take = Math.min(bytes.length - at, this.#buffer.length - this.#length);
      if (take === 0 && at < bytes.length) {
        // Full and nothing in it can be used: the vendor's buffer stays full until a SYNC; forget the oldest half.
        this.#consume(this.#buffer.length >>> 1);
        continue;
      }
      this.#buffer.set(bytes.subarray(at, at + take), this.#length);
      this.#length += take;
      at += take;
      this.#work();
    } while (at < bytes.length);
  }

  /** Goes on with what is in the buffer. */
  resume(): void {
    this.#work();
  }

  #work(): void {
    const full = this.#length === this.#buffer.length;
    while (this.#length >= HEADER_SIZE && (full || !this.#host.resting)) {
      if (!(this.#host.busy ? this.#scanForAck() : this.#takePacket())) return;
    }
  }

  /** Looks at the buffer's beginning. Returns whether there may be more to do. */
  #takePacket(): boolean {
    const buffer = this.#buffer;
    const start = this.#findSync();
    if (start > 0) this.#consume(start);
    if (this.#length < HEADER_SIZE) return false;
    const { crc, maxPayload } = this.#host.caps;
    const header = this.#headerAt(0);
    let refusal: number | undefined;
    if (crc && !hasGoodCrc(buffer, 0)) refusal = Status.SUCCESS;
    else if (header.length > maxPayload) refusal = Status.OVERFLOW;
    else if (!this.#host.acceptsSequence(header)) refusal = Status.SEQUENCE;
    if (refusal !== undefined) {
      this.#consume(1);
      // A header with a bad CRC is not answered.
      if (refusal !== Status.SUCCESS) this.#host.sendStatus(header.opcode, header.channel, refusal);
      return true;
    }
    const size = packetSize(header.length);
    if (this.#length < size) return this.#scanForSync();
    const packet = buffer.slice(0, size);
    this.#consume(size);
    this.#deliver(header, packet, crc);
    return true;
  }

  #deliver(header: PacketHeader, packet: Uint8Array, crc: boolean): void {
    const end = HEADER_SIZE + header.length;
    const payload = packet.subarray(HEADER_SIZE, end);
    if (crc && header.length > 0 && payloadCrc.compute(payload) !== readUint32(packet, end)) {
      this.#host.sendStatus(header.opcode, header.channel, Status.CHECKSUM);
    } else if (header.channel !== 0 && header.opcode <= Opcode.SYS_MEMORY) {
      this.#host.sendStatus(header.opcode, header.channel, Status.INVALID);
    } else if ((header.flags & (Flag.ACK | Flag.NAK)) === 0) {
      this.#host.process(header, payload);
    }
  }

  /** A reply waits: only its ACK or NAK and SYNC count. What else is in the buffer stays there. */
  #scanForAck(): boolean {
    for (; this.#scanned <= this.#length - HEADER_SIZE; this.#scanned++) {
      const at = this.#scanned;
      if (!this.#isPacket(at)) continue;
      const header = this.#headerAt(at);
      if (isSync(header)) {
        this.clear();
        this.#host.synchronize();
        return false;
      }
      if ((header.flags & (Flag.ACK | Flag.NAK)) === 0) continue;
      // Cut out before the machine goes on: it may send the next fragment, whose ACK is then looked for.
      const { opcode, sequence, flags, channel, length } = header;
      this.#remove(at, HEADER_SIZE);
      if (this.#host.acknowledged({ opcode, sequence, flags, channel, length })) {
        this.#scanned = 0;
        return true;
      }
      this.#scanned = at - 1;
    }
    return false;
  }

  /** A packet is incomplete: a SYNC inside it takes precedence. */
  #scanForSync(): boolean {
    for (
      this.#scanned = Math.max(this.#scanned, 1);
      this.#scanned <= this.#length - HEADER_SIZE;
      this.#scanned++
    ) {
      if (!this.#isPacket(this.#scanned)) continue;
      if (isSync(this.#headerAt(this.#scanned))) {
        this.clear();
        this.#host.synchronize();
        return false;
      }
    }
    return false;
  }

  #findSync(): number {
    let at = 0;
    while (at + 1 < this.#length && !this.#isSyncWord(at)) at++;
    return at;
  }

  #isSyncWord(at: number): boolean {
    return this.#buffer[at] === SYNC_BYTE_0 && this.#buffer[at + 1] === SYNC_BYTE_1;
  }

  /** With CRCs off the sync word alone makes a packet. */
  #isPacket(at: number): boolean {
    return this.#isSyncWord(at) && (!this.#host.caps.crc || hasGoodCrc(this.#buffer, at));
  }

  #headerAt(at: number): PacketHeader {
    return readHeader(this.#buffer, at);
  }

  #consume(count: number): void {
    this.#remove(0, count);
    this.#scanned = 0;
  }

  #remove(at: number, count: number): void {
    this.#buffer.copyWithin(at, at + count, this.#length);
    this.#length -= count;
  }
}

const isSync = (header: PacketHeader): boolean =>
  header.channel === 0 && header.length === 0 && header.opcode === Opcode.PROTO_SYNC;

function hasGoodCrc(bytes: Uint8Array, at: number): boolean {
  return headerCrc.compute(bytes, at, at + 8) === (bytes[at + 8]! | (bytes[at + 9]! << 8));
}
