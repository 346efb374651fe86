/**
 * MicroPython in WebAssembly, with what its package does not offer by itself: its memory, cheap calls into
 * Python, and tracebacks as the camera prints them.
 *
 * Rules that keep it alive for days: nothing but integers crosses the border while a script runs, because the
 * collector does not run until the script ends and a proxy for a Python object is never freed; buffers are
 * allocated once with `malloc` and shown to Python by their address; no JavaScript exception may pass through
 * WebAssembly.
 */
import {
  loadMicroPython,
  type MicroPython,
} from '@micropython/micropython-webassembly-pyscript/micropython.mjs';
import { SHARED_WORDS } from './codes.js';
import { GLUE_MODULES } from './glue/index.js';
import type { CameraFiles } from './messages.js';

const HEAP_SIZE = 2 * 1024 * 1024;
/**
 * Largest memory: a script that wants more gets MemoryError, as on a board. The bundled script needs some 80 bytes
 * for a frame, which are only given back at its end: enough for two days at 30 frames per second.
 */
const MEMORY_LIMIT = 512 * 1024 * 1024;
/**
 * The traceback of a MemoryError takes memory as well: without any, MicroPython waits for ever. So requests beyond the limit
 * are granted within this reserve (the most that MicroPython asks for at a time, and what malloc adds) after the first ones
 * have been refused: malloc asks twice for the script's object, which becomes the MemoryError, and twice for the exception.
 */
const RESERVE = 160 * 1024 * 1024;
const REFUSALS = 4;
/** Deep enough for scripts with recursion; the package's default of 2048 words is not. */
const PYTHON_STACK_WORDS = 16 * 1024;
/** Where a script begins: the camera's own file system. */
const FLASH = '/flash';
/** A value that crosses the border: its kind and two words. */
const VALUE_SIZE = 12;
/** The descriptor that text is written to. */
const STDOUT = 1;
/** Kinds of the package's proxy protocol. */
const KIND_JS_INTEGER = 3;
const KIND_PY_INTEGER = 3;

/** What is used of the global `WebAssembly`. */
interface Wasm {
  readonly Table: abstract new () => { get(index: number): unknown };
  instantiate(
    source: unknown,
    imports: {
      env: { emscripten_resize_heap(bytes: number): number };
      wasi_snapshot_preview1: {
        fd_write(fd: number, vectors: number, count: number, written: number): number;
      };
    },
  ): Promise<{ instance?: { exports: unknown }; exports?: unknown }>;
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  malloc(bytes: number): number;
  free(address: number): void;
  proxy_c_to_js_call(reference: number, count: number, values: number, result: number): void;
}

/** A Python function that takes and returns small integers. */
export type PythonCall = (first: number, second: number) => number | undefined;

export class Interpreter {
  /** Address of the shared words. */
  readonly words: number;
  readonly #python: MicroPython;
  readonly #exports: Exports;
  readonly #values: number;
  /** A proxy that is collected takes the Python object's reference with it. */
  readonly #kept: object[] = [];
  #bytes: Uint8Array;
  #ints: Uint32Array;

  private constructor(python: MicroPython, exports: Exports) {
    this.#python = python;
    this.#exports = exports;
    this.#bytes = new Uint8Array(exports.memory.buffer);
    this.#ints = new Uint32Array(exports.memory.buffer);
    this.words = this.allocate(4 * SHARED_WORDS);
    this.#values = this.allocate(3 * VALUE_SIZE);
  }

  /**
   * Starts an interpreter with the camera's modules and files. `stdout` takes the strings it prints, valid only during the call;
   * `primitives` makes the functions of the module `_vcam`, on which the camera's modules are built.
   */
  static async start(
    stdout: (text: Uint8Array) => void,
    primitives: (interpreter: Interpreter) => Readonly<Record<string, unknown>>,
    files: CameraFiles,
  ): Promise<Interpreter> {
    const { python, exports } = await load(stdout);
    const interpreter = new Interpreter(python, exports);
    python.registerJsModule('_vcam', { ...primitives(interpreter), words: interpreter.words });
    python.FS.mkdir('/lib');
    for (const [name, text] of Object.entries(GLUE_MODULES)) {
      python.FS.writeFile(`/lib/${name}.py`, text);
    }
    python.FS.mkdir(FLASH);
    for (const [name, content] of Object.entries(files)) python.FS.writeFile(`${FLASH}/${name}`, content);
    python.FS.chdir(FLASH);
    python.pyimport('_board');
    return interpreter;
  }

  /** What is on the camera's file system, copied. Directories are left out. */
  files(): CameraFiles {
    const { FS } = this.#python;
    const names = FS.readdir(FLASH).filter((name) => FS.isFile(FS.stat(`${FLASH}/${name}`).mode));
    return Object.fromEntries(names.map((name) => [name, FS.readFile(`${FLASH}/${name}`)]));
  }

  /** The whole memory; valid until Python has run again. */
  get bytes(): Uint8Array {
    this.#refresh();
    return this.#bytes;
  }

  /** A shared word, unsigned. */
  word(index: number): number {
    this.#refresh();
    return this.#ints[(this.words >>> 2) + index]!;
  }

  setWord(index: number, value: number): void {
    this.#refresh();
    this.#ints[(this.words >>> 2) + index] = value;
  }

  /** Memory that Python does not move or free. */
  allocate(bytes: number): number {
    return this.#exports.malloc(bytes);
  }

  free(address: number): void {
    this.#exports.free(address);
  }

  /** Runs a script in the main namespace. Returns its traceback when it ended in one. */
  run(script: string, fileName: string): string | undefined {
    try {
      this.#python.runPython(script);
      return undefined;
    } catch (error) {
      if (!(error instanceof Error)) return String(error);
      if (error.name !== 'PythonError') throw error;
      const { type } = error as Error & { type?: unknown };
      return type === 'SystemExit' ? undefined : asOnTheCamera(error.message, fileName);
    }
  }

  /** Raises KeyboardInterrupt where the script is. */
  interrupt(): void {
    this.#python._module._mp_sched_keyboard_interrupt();
  }

  /** A function of a module, to be called with two small integers; undefined is what it returns when it raised. */
  lookup(module: string, name: string): PythonCall {
    const proxy = this.#python.pyimport(module)[name]!;
    this.#kept.push(proxy);
    const reference = proxy._ref;
    const values = this.#values;
    const result = values + 2 * VALUE_SIZE;
    return (first, second) => {
      this.#refresh();
      const at = values >>> 2;
      this.#ints[at] = KIND_JS_INTEGER;
      this.#ints[at + 1] = first;
      this.#ints[at + 3] = KIND_JS_INTEGER;
      this.#ints[at + 4] = second;
      this.#exports.proxy_c_to_js_call(reference, 2, values, result);
      this.#refresh();
      return this.#ints[result >>> 2] === KIND_PY_INTEGER ? this.#ints[(result >>> 2) + 1]! | 0 : undefined;
    };
  }

  /** The views are of no use any more once the memory has grown. */
  #refresh(): void {
    if (this.#bytes.length > 0) return;
    this.#bytes = new Uint8Array(this.#exports.memory.buffer);
    this.#ints = new Uint32Array(this.#exports.memory.buffer);
  }
}

/**
 * The package hides its exports, has no limit of memory, and hands over stdout byte by byte: this changes all three while it
 * instantiates the module.
 */
async function load(stdout: (text: Uint8Array) => void): Promise<{ python: MicroPython; exports: Exports }> {
  const wasm = Reflect.get(globalThis, 'WebAssembly') as Wasm;
  const { instantiate } = wasm;
  let exports: unknown;
  wasm.instantiate = async (source, imports) => {
    const { env, wasi_snapshot_preview1: wasi } = imports;
    const resize = env.emscripten_resize_heap;
    let refused = 0;
    env.emscripten_resize_heap = (bytes) => {
      if (bytes <= MEMORY_LIMIT) return resize(bytes);
      return ++refused > REFUSALS && bytes <= MEMORY_LIMIT + RESERVE ? resize(bytes) : 0;
    };
    const write = wasi.fd_write;
    wasi.fd_write = (fd, vectors, count, written) => {
      if (fd !== STDOUT) return write(fd, vectors, count, written);
      const { buffer } = (exports as Exports).memory;
      const words = new Uint32Array(buffer);
      let total = 0;
      for (let at = vectors >>> 2; at < (vectors >>> 2) + 2 * count; at += 2) {
        const length = words[at + 1]!;
        if (length > 0) stdout(new Uint8Array(buffer, words[at]!, length));
        total += length;
      }
      words[written >>> 2] = total;
      return 0;
    };
    const made = await instantiate.call(wasm, source, imports);
    exports = made.instance?.exports ?? made.exports;
    quickenTable(wasm, exports as object);
    return made;
  };
  try {
    const python = await loadMicroPython({
      heapsize: HEAP_SIZE,
      pystack: PYTHON_STACK_WORDS,
    });
    return { python, exports: exports as Exports };
  } finally {
    wasm.instantiate = instantiate;
  }
}

/**
 * The package, built with assertions, looks up the table of functions at every call through a pointer, several for each step
 * of a script: a fifth of the interpreter's time. The table never changes, so each entry is looked up once.
 */
function quickenTable(wasm: Wasm, exports: object): void {
  const table = Object.values(exports).find((value) => value instanceof wasm.Table);
  if (!table) return;
  const get = table.get.bind(table);
  const known: unknown[] = [];
  table.get = (index: number) => (known[index] ??= get(index));
}

/** The camera's modules are built into its firmware and leave no lines in a traceback. */
const GLUE_LINE = /^ {2}File "\/lib\/(?:_board|csi|image|protocol|machine)\.py", line \d+.*\n/gm;

function asOnTheCamera(traceback: string, fileName: string): string {
  const text = traceback.replaceAll('  File "<stdin>",', `  File "${fileName}",`);
  return text.replace(GLUE_LINE, '');
}
