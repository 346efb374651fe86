/** What clients on other machines may not do with commands: reach files of this one. */

/** Commands that are not for them, and why. */
export const LOCAL_COMMANDS: Readonly<Record<string, string>> = {
  set_pipeline:
    'A pipeline can write files and open connections: it is chosen at the start or on the control socket.',
};
/** Parameters that name files of this machine. */
export const FILE_PARAMS: readonly string[] = ['path'];

/** Why a client on another machine may not name that parameter. */
export const fileRefusal = (name: string, clients: string): string =>
  `Parameter "${name}" names a file of the bridge's machine, which is not for clients over ${clients}.`;
