/** The error codes of the public SDKs (their spec.md, "error codes", and errors.py), by name. */

export interface AlgorithmErrorCode {
  readonly code: string;
  /** For programs; `undocumented` for a code that the protocol does not define. */
  readonly name: string;
}

const CODES: Readonly<Record<string, readonly [name: string, meaning: string]>> = {
  '1000': ['invalid_return', 'invalid arguments or return value'],
  '1001': ['invalid_pid', 'product id not supported'],
  '1002': ['image_load_failed', 'image could not be loaded'],
  '1003': ['model_not_found', 'model not found'],
  '1004': ['gpu_out_of_memory', 'entry point not found or GPU out of memory'],
  '1005': ['timeout', 'timeout'],
  '1006': ['invalid_params', 'invalid parameters'],
  '1007': ['coordinate_invalid', 'invalid coordinates'],
  '1009': ['execute_exception', 'exception in the algorithm'],
  '1010': ['stdout_contaminated', 'algorithm printed to stdout; print to stderr instead'],
  '9999': ['unknown', 'unknown error'],
};

/** A code as it came, with its name; undefined when there was none. */
export function namedCode(code: unknown): AlgorithmErrorCode | undefined {
  if ((typeof code !== 'string' || code === '') && typeof code !== 'number') return undefined;
  const text = String(code).slice(0, 40);
  return { code: text, name: CODES[text]?.[0] ?? 'undocumented' };
}

/** " 1003 (model not found)" for a sentence; empty without a code. */
export function describeCode(named: AlgorithmErrorCode | undefined): string {
  if (named === undefined) return '';
  const meaning = CODES[named.code]?.[1];
  return ` ${named.code}${meaning === undefined ? '' : ` (${meaning})`}`;
}

/** Wrong product id, missing image or model, wrong parameters. */
const LASTING: ReadonlySet<string | undefined> = new Set(['1001', '1002', '1003', '1006']);

/**
 * Whether a second try with the same frame may succeed: after a time-out, out of memory, or the SDK's "busy". The SDKs
 * drop the code that an algorithm returns and give 1009 for what it throws, so its words count as well.
 */
export function mayPass(code: string | undefined, said: string): boolean {
  if (LASTING.has(code)) return false;
  return code === '1004' || code === '1005' || /\bbusy$|\bout of memory\b|\btime(?:d )?-?out\b/i.test(said);
}

/** Whether an algorithm refuses the product id of the calls; SDK 0.0.x keeps its words only. */
export function refusesPid(code: string | undefined, said: string): boolean {
  return code === '1001' || (code === undefined && /\bpid\b|\bproduct (?:id|code)\b|产品型号/i.test(said));
}
