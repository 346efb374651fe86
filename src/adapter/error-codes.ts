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

/** A failure that a second try with the same frame may not meet: out of memory, a time-out, or the SDK's "busy". */
export function mayPass(code: string | undefined, message: string): boolean {
  return code === '1004' || code === '1005' || (code === '1000' && /\bbusy$/.test(message));
}
