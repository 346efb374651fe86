/** The part of MicroPython's WebAssembly package that the virtual camera uses. */
declare module '@micropython/micropython-webassembly-pyscript/micropython.mjs' {
  export interface MicroPython {
    /** Throws an error named PythonError with the traceback as its message. */
    runPython(code: string): unknown;
    registerJsModule(name: string, module: Readonly<Record<string, unknown>>): void;
    pyimport(name: string): Readonly<Record<string, { readonly _ref: number }>>;
    readonly FS: {
      mkdir(path: string): void;
      chdir(path: string): void;
      readdir(path: string): string[];
      isFile(mode: number): boolean;
      stat(path: string): { readonly mode: number };
      readFile(path: string): Uint8Array;
      writeFile(path: string, content: string | Uint8Array): void;
    };
    readonly _module: { _mp_sched_keyboard_interrupt(): void };
  }

  export function loadMicroPython(options: {
    /** Bytes the heap begins with; it grows as needed. */
    heapsize?: number;
    /** Words of the Python stack. */
    pystack?: number;
  }): Promise<MicroPython>;
}
