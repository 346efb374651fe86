/** Commands on a camera's topic: one after the other, with a reply for each. */
import type { IPublishPacket } from 'mqtt';
import {
  type ControlService,
  FILE_PARAMS,
  fileRefusal,
  LOCAL_COMMANDS,
  type Reply,
} from '../../control/index.js';
import { parseJson } from '../../json.js';
import type { Message } from './outbox.js';

/** Commands of a camera that wait for those before them. */
const QUEUE_LIMIT = 16;
const MOST_BYTES = 600 * 1_024;
const NO_LINES = { send: () => false, onGone: () => undefined };

const REFUSED: Readonly<Record<string, string>> = {
  subscribe: 'Results, events and figures are on the topics beside this one.',
  ...LOCAL_COMMANDS,
};

type Request = Readonly<Record<string, unknown>>;

export interface CommandTopicOptions {
  readonly service: ControlService;
  readonly cameraId: string;
  /** `openmv/SITE/CAMERA/reply`. */
  readonly replyTopic: string;
  reply(message: Message): void;
}

export class CommandTopic {
  readonly #options: CommandTopicOptions;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(options: CommandTopicOptions) {
    this.#options = options;
  }

  /** Carries a message out when its turn comes. Its reply has what came as `id`. */
  take(packet: IPublishPacket): void {
    const { id, request, problem } = read(packet);
    const { correlationData } = packet.properties ?? {};
    const topic = this.#replyTopic(packet.properties?.responseTopic);
    const answer = (reply: Reply): void => {
      const payload = JSON.stringify(id === undefined ? reply : { id, ...reply });
      this.#options.reply({ topic, payload, correlationData });
    };
    if (problem !== undefined) return answer(failure(problem));
    if (this.#waiting >= QUEUE_LIMIT) {
      return answer(failure(`${QUEUE_LIMIT} commands wait already: wait for replies before sending more.`));
    }
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      const { service, cameraId } = this.#options;
      const { id: _id, ...rest } = request;
      answer(await service.answer({ ...rest, camera: cameraId }, NO_LINES));
      this.#waiting--;
    });
  }

  /** MQTT 5: where the client wants it, but not among what the bridges of this program publish. */
  #replyTopic(wanted: string | undefined): string {
    const own = this.#options.replyTopic;
    if (wanted === undefined || wanted === '' || wanted.length > 256 || /[+#\0]|^\$/.test(wanted)) return own;
    return wanted.startsWith('openmv/') && !wanted.startsWith(`${own}/`) ? own : wanted;
  }
}

const failure = (message: string): Reply => ({ status: 'error', message });

interface Read {
  readonly id: unknown;
  readonly request: Request;
  /** Why it is not carried out. */
  readonly problem: string | undefined;
}

function read({ payload, retain }: IPublishPacket): Read {
  const none = (problem: string): Read => ({ id: undefined, request: {}, problem });
  if (retain)
    return none('A retained command is not carried out: it would be at each start. Send it without retain.');
  const bytes = Buffer.from(payload);
  if (bytes.length > MOST_BYTES) return none(`A command has at most ${MOST_BYTES} bytes.`);
  let value: unknown;
  try {
    value = parseJson(bytes.toString('utf8'), { maxValues: 100_000 });
  } catch (cause) {
    return none(`The command is no JSON that can be used: ${(cause as Error).message}.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return none('A command is a JSON object, such as {"command":"get_status"}.');
  }
  const { id, ...request } = value as Request;
  return { id: idOf(id), request, problem: refusal(request) };
}

/** Text or a number, short enough to be sent back. */
const idOf = (id: unknown): unknown =>
  typeof id === 'number' || (typeof id === 'string' && id.length <= 256) ? id : undefined;

function refusal({ command, params }: Request): string | undefined {
  const why = typeof command === 'string' && Object.hasOwn(REFUSED, command) ? REFUSED[command] : undefined;
  const names = typeof params === 'object' && params !== null ? Object.keys(params) : [];
  const file = names.find((name) => FILE_PARAMS.includes(name));
  return why ?? (file === undefined ? undefined : fileRefusal(file, 'MQTT'));
}
