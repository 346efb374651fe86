/** Commands on a camera's topic, and where their replies go. */
import type { IPublishPacket } from 'mqtt';
import type { ControlService } from '../../control/index.js';
import { CommandQueue, failure } from '../commands.js';
import type { Message } from './outbox.js';

export interface CommandTopicOptions {
  readonly service: ControlService;
  readonly cameraId: string;
  /** `openmv/SITE/CAMERA/reply`. */
  readonly replyTopic: string;
  reply(message: Message): void;
}

export class CommandTopic {
  readonly #options: CommandTopicOptions;
  readonly #queue: CommandQueue;

  constructor(options: CommandTopicOptions) {
    this.#options = options;
    this.#queue = new CommandQueue(options.service, options.cameraId, 'MQTT');
  }

  take({ payload, retain, properties }: IPublishPacket): void {
    const topic = this.#replyTopic(properties?.responseTopic);
    const { correlationData } = properties ?? {};
    const reply = (text: string): void => this.#options.reply({ topic, payload: text, correlationData });
    if (retain) {
      const why = 'A retained command is not carried out: it would be at each start. Send it without retain.';
      return reply(JSON.stringify(failure(why)));
    }
    this.#queue.take(Buffer.from(payload), reply);
  }

  /** MQTT 5: where the client wants it, but not among what the bridges of this program publish. */
  #replyTopic(wanted: string | undefined): string {
    const own = this.#options.replyTopic;
    if (wanted === undefined || wanted === '' || wanted.length > 256 || /[+#\0]|^\$/.test(wanted)) return own;
    return wanted.startsWith('openmv/') && !wanted.startsWith(`${own}/`) ? own : wanted;
  }
}
