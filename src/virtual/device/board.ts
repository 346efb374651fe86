/**
 * Answers the host while a script runs. The script's jumps, its sleeps and its waits for a frame all come here. While a
 * reply waits for its ACK nothing returns to the script, as on the device.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { ChannelId, SystemEvent } from '../../protocol/index.js';
import type { Capture, FromWorker, ToWorker, WorkerSetup } from '../interpreter/messages.js';
import type { PictureShelf } from '../pictures/picture-shelf.js';
import type { PictureSpec, RawPixels } from '../pictures/picture-spec.js';
import { CameraEnd } from './camera-end.js';
import { DeviceLink } from './device-link.js';
import type { DeviceIdentity } from './device-types.js';
import { Idleness } from './idleness.js';
import type { Pins } from './pins.js';
import { PreviewChannel } from './preview-channel.js';
import { StdinChannel } from './stdin-channel.js';
import { StdoutChannel } from './stdout-channel.js';

/** A script that catches its interrupt is interrupted again after this time. */
const INTERRUPT_AGAIN_MS = 50;
/** How often a wait inside a channel's method looks for what it waits for. */
const NESTED_WAIT_MS = 1;
/**
 * How long the script runs at least between an ACK and the next request, which on a device takes its way over USB. So
 * chosen that the vendor's host polls as often for a frame as it does on the device: 3 to 9 times.
 */
const REST_MS = 0.05;

export class Board {
  readonly link: DeviceLink;
  readonly stdin: StdinChannel;
  readonly stdout: StdoutChannel;
  readonly preview: PreviewChannel;
  /** Present when captures are recorded. */
  readonly reportCapture?: (capture: Capture) => void;
  /** Raises the interrupt in the script. */
  interrupt: () => void = () => {};
  pins: Pins | undefined;
  /** Where pictures that have come are put. */
  shelf: PictureShelf | undefined;
  readonly idleness = new Idleness();

  readonly #port: MessagePort;
  readonly #line: CameraEnd;
  readonly #pause = new Int32Array(new SharedArrayBuffer(4));
  #serving = false;
  /** Levels that pins have got, of which the script is told between requests. */
  readonly #levels: { readonly name: string; readonly level: 0 | 1 }[] = [];
  #driving = false;
  /** The script is to end; it is interrupted when it next comes here. */
  #stopping = false;
  #interruptedAt = Number.NEGATIVE_INFINITY;
  /** When the link or stdout wants to be looked at although nothing has come. */
  #due = 0;

  constructor(setup: WorkerSetup, identity: DeviceIdentity) {
    this.#port = setup.port;
    this.#line = new CameraEnd(setup.line, () => this.post(0));
    this.link = new DeviceLink({
      identity,
      maxPayload: setup.maxPayload,
      restMs: REST_MS,
      transmit: (packet) => {
        if (!this.#line.write(packet)) this.link.stats.transportErrors++;
      },
    });
    const notify = (channel: number): void => {
      this.link.sendEvent(channel, SystemEvent.NOTIFY, false, performance.now());
    };
    this.stdin = new StdinChannel(() => {
      this.#stopping = true;
    });
    this.stdout = new StdoutChannel(setup.stdout, () => notify(ChannelId.STDOUT));
    this.preview = new PreviewChannel(setup.preview, () => notify(ChannelId.STREAM));
    if (setup.ledger) this.reportCapture = (capture) => this.post({ type: 'capture', capture });
    this.link.active = this.#line.hostPresent;
  }

  post(message: FromWorker): void {
    this.#port.postMessage(message);
  }

  /** A script begins or has ended: a stop that was meant for the last one does not hit the next. */
  forgetStop(): void {
    this.#stopping = false;
    this.#interruptedAt = Number.NEGATIVE_INFINITY;
  }

  /** A string that is printed. Without a host it goes to the board's REPL port, where no one reads it. */
  print(text: Uint8Array | string): void {
    if (this.link.active) this.stdout.print(text, performance.now());
    this.#due = 0;
  }

  /** Without a script: works until the host wants something run or stopped. */
  idle(): void {
    this.#stopping = false;
    while (!this.#stopping) {
      const now = performance.now();
      if (this.#line.signalled || now >= this.#due) this.#serve(now);
      else this.#line.wait(this.#due - now);
    }
  }

  /** From the script's jumps: works only when there is something to do. */
  service(): void {
    if (this.#serving) return;
    const now = performance.now();
    if (this.#line.signalled || now >= this.#due) this.#serve(now);
    else this.idleness.jump(now, (milliseconds) => this.#line.wait(Math.min(milliseconds, this.#due - now)));
    this.#raise(now);
  }

  /** Works until `time`. false: the script is being stopped. */
  waitUntil(time: number): boolean {
    return this.#work(() => performance.now() >= time, time);
  }

  /** Works until `ready`, at most `timeoutMs`. false: the script is being stopped. */
  waitFor(ready: () => boolean, timeoutMs: number): boolean {
    return this.#work(ready, performance.now() + timeoutMs);
  }

  /** The processor is busy: nothing is answered meanwhile. */
  block(ms: number): void {
    if (ms > 0) Atomics.wait(this.#pause, 0, 0, ms);
  }

  askPicture(id: number, spec: PictureSpec, index: number): void {
    this.post({ type: 'picture', id, spec, index });
  }

  askJpeg(id: number, pixels: RawPixels, quality: number, fullChroma: boolean): void {
    this.post({ type: 'encode', id, pixels, quality, fullChroma });
  }

  /** Sends an event. With `waitAck` it returns when the host has acknowledged it. false: it was not sent. */
  sendEvent(channel: number, event: number, waitAck: boolean): boolean {
    this.idleness.active();
    const { releases } = this.preview;
    const sent = this.link.sendEvent(channel, event, waitAck, performance.now());
    // Requests are answered here only during that wait: an answer behind SOFT_REBOOT belongs to no session.
    if (this.link.busy && !this.#serving) this.#serve(performance.now());
    this.#line.flush();
    // The link releases all locks when it gives up or is synchronised: the ACK has not come then.
    return sent && (!waitAck || (this.link.active && this.preview.releases === releases));
  }

  /** Nothing is done any more: the main thread is about to end this Worker. */
  halt(message: FromWorker): never {
    this.#line.flush();
    this.post(message);
    for (;;) {
      this.#line.acknowledgeSignal();
      this.#line.wait(Number.POSITIVE_INFINITY);
    }
  }

  #work(ready: () => boolean, until: number): boolean {
    this.idleness.active();
    for (;;) {
      const now = performance.now();
      // Called by a channel's method: the link is in the middle of a request.
      if (this.#serving) this.#takeMessages();
      else if (this.#line.signalled || now >= this.#due) this.#serve(now);
      if (this.#stopping && this.stdin.running && !this.#serving) {
        this.#raise(now);
        return false;
      }
      if (ready()) return true;
      const rest = until - performance.now();
      if (rest <= 0) return true;
      // The request under way takes what is signalled meanwhile.
      if (this.#serving) Atomics.wait(this.#pause, 0, 0, Math.min(rest, NESTED_WAIT_MS));
      else this.#line.wait(Math.min(rest, this.#due - now));
    }
  }

  /** Answers what has come. Does not return while a reply waits for its acknowledgement. */
  #serve(start: number): void {
    const { link, stdout } = this;
    const line = this.#line;
    this.#serving = true;
    let now = start;
    for (;;) {
      line.acknowledgeSignal();
      this.#takeMessages();
      if (line.acceptHost()) link.active = line.hostPresent;
      for (let bytes = line.read(); bytes; bytes = line.read()) {
        this.idleness.active();
        link.receive(bytes, now);
      }
      if (link.active) link.tick(now);
      if (link.active && !link.busy) stdout.tick(now);
      line.flush();
      if (!link.busy || !link.active) break;
      line.wait(Math.max(0, (link.deadline() ?? now) - now));
      now = performance.now();
    }
    const linkDue = link.deadline() ?? Number.POSITIVE_INFINITY;
    this.#due = link.active ? Math.min(linkDue, stdout.deadline()) : Number.POSITIVE_INFINITY;
    this.#serving = false;
    this.#drivePins();
  }

  /** Telling the script of a level may bring the script's next jump, which comes here again: one level at a time. */
  #drivePins(): void {
    if (this.#driving) return;
    this.#driving = true;
    for (let next = this.#levels.shift(); next; next = this.#levels.shift()) {
      this.idleness.active();
      this.pins?.set(next.name, next.level);
    }
    this.#driving = false;
  }

  #takeMessages(): void {
    for (let got = receiveMessageOnPort(this.#port); got; got = receiveMessageOnPort(this.#port)) {
      const message = got.message as ToWorker;
      if (message.type === 'picture') this.shelf?.put(message.id, message.bytes);
      else if (message.type === 'pin') this.#levels.push(message);
      else this.shelf?.fail(message.id, message.message);
    }
  }

  /** Raised only here, outside of channels' methods, which would swallow it. */
  #raise(now: number): void {
    if (!this.#stopping || !this.stdin.running || now - this.#interruptedAt < INTERRUPT_AGAIN_MS) return;
    this.#interruptedAt = now;
    this.interrupt();
  }
}
