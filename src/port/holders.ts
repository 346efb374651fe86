import { readdir, readFile, readlink } from 'node:fs/promises';

/** A process that has a device open. */
export interface Holder {
  readonly pid: number;
  /** The program's name as the kernel keeps it, at most 15 characters. */
  readonly name: string;
}

/** Descriptors, of the processes that this user may look into, whose target satisfies `wanted`. Linux only. */
async function findOpenFiles(wanted: (target: string) => boolean): Promise<{ pid: number; fd: string }[]> {
  if (process.platform !== 'linux') return [];
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const files: { pid: number; fd: string }[] = [];
      for (const fd of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
        const target = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
        if (wanted(target)) files.push({ pid: Number(pid), fd });
      }
      return files;
    }),
  );
  return found.flat();
}

async function nameOf(pid: number): Promise<string> {
  const name = await readFile(`/proc/${pid}/comm`, 'utf8').catch(() => '');
  return name.trim() || 'unknown program';
}

/** Processes that have `device` (a real path, links followed) open, as far as this user may know. */
export async function findHolders(device: string): Promise<Holder[]> {
  const files = await findOpenFiles((target) => target === device);
  const pids = [...new Set(files.map((file) => file.pid))].sort((a, b) => a - b);
  return Promise.all(pids.map(async (pid) => ({ pid, name: await nameOf(pid) })));
}

/** Running programs of that name, which the kernel keeps to 15 characters. Linux only. */
export async function findProcesses(name: string): Promise<Holder[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((entry) => /^\d+$/.test(entry)).map(Number);
  const all = await Promise.all(pids.map(async (pid) => ({ pid, name: await nameOf(pid) })));
  return all.filter((one) => one.name === name.slice(0, 15));
}

/** The process that serves the pseudo-terminal `/dev/pts/<index>`, as far as this user may know. */
export async function findPtyOwner(index: number): Promise<Holder | undefined> {
  const masters = await findOpenFiles((target) => target === '/dev/ptmx' || target === '/dev/pts/ptmx');
  for (const { pid, fd } of masters) {
    const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8').catch(() => '');
    if (info.match(/^tty-index:\s*(\d+)/m)?.[1] === String(index)) return { pid, name: await nameOf(pid) };
  }
  return undefined;
}
