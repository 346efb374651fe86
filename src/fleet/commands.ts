/** Commands for a camera that come from a broker: one after the other, refused where they reach files of this machine. */
import {
  type ControlService,
  FILE_PARAMS,
  fileRefusal,
  LOCAL_COMMANDS,
  type Reply,
} from '../control/index.js';
import { parseJson } from '../json.js';

/** Commands of a camera that wait for those before them. */
const QUEUE_LIMIT = 16;
const MOST_BYTES = 600 * 1_024;

const REFUSED: Readonly<Record<string, string>> = {
  subscribe: 'Results, events and figures are published beside this.',
  ...LOCAL_COMMANDS,
};

type Request = Readonly<Record<string, unknown>>;

export class CommandQueue {
  readonly #service: ControlService;
  readonly #cameraId: string;
  readonly #clients: string;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();

  /** `clients`: what they come over, in words. */
  constructor(service: ControlService, cameraId: string, clients: string) {
    this.#service = service;
    this.#cameraId = cameraId;
    this.#clients = clients;
  }

  /** Carries a message out when its turn comes. Its reply has what came as `id`. */
  take(payload: Uint8Array, reply: (text: string) => void): void {
    const { id, request, problem } = read(payload);
    const answer = (said: Reply): void => reply(JSON.stringify(id === undefined ? said : { id, ...said }));
    const why = problem ?? this.#refusal(request);
    if (why !== undefined) return answer(failure(why));
    if (this.#waiting >= QUEUE_LIMIT) {
      return answer(failure(`${QUEUE_LIMIT} commands wait already: wait for replies before sending more.`));
    }
    this.#waiting++;
    this.#last = this.#last.then(async () => {
      answer(await this.#service.answer({ ...request, camera: this.#cameraId }));
      this.#waiting--;
    });
  }

  #refusal({ command, params }: Request): string | undefined {
    const why = typeof command === 'string' && Object.hasOwn(REFUSED, command) ? REFUSED[command] : undefined;
    const names = typeof params === 'object' && params !== null ? Object.keys(params) : [];
    const file = names.find((name) => FILE_PARAMS.includes(name));
    return why ?? (file === undefined ? undefined : fileRefusal(file, this.#clients));
  }
}

/** An error's reply. */
export const failure = (message: string): Reply => ({ status: 'error', message });

interface Read {
  readonly id: unknown;
  readonly request: Request;
  /** Why it is no command. */
  readonly problem: string | undefined;
}

function read(payload: Uint8Array): Read {
  const none = (problem: string): Read => ({ id: undefined, request: {}, problem });
  if (payload.length > MOST_BYTES) return none(`A command has at most ${MOST_BYTES} bytes.`);
  let value: unknown;
  try {
    value = parseJson(Buffer.from(payload).toString('utf8'), { maxValues: 100_000 });
  } catch (cause) {
    return none(`The command is no JSON that can be used: ${(cause as Error).message}.`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return none('A command is a JSON object, such as {"command":"get_status"}.');
  }
  const { id, ...request } = value as Request;
  return { id: idOf(id), request, problem: undefined };
}

/** Text or a number, short enough to be sent back. */
const idOf = (id: unknown): unknown =>
  typeof id === 'number' || (typeof id === 'string' && id.length <= 256) ? id : undefined;
