/** A script as it is sent: with the bundled module that it imports, for the camera's file system does not have it. */
import { readFile } from 'node:fs/promises';
import { packageFile } from '../package.js';

const IMPORTS = /^[ \t]*(?:from|import)[ \t]+frame_channel\b/m;
const START = '\nif __name__ == "__main__":\n';

/**
 * `script` itself, or in one text with firmware/frame_channel.py where it imports that. It keeps its own names and line
 * numbers: the module comes first, as an object that `import` finds, and the script is run as a text of its own.
 */
export async function scriptText(script: string): Promise<string> {
  if (!IMPORTS.test(script)) return script;
  const module = await readFile(packageFile('firmware/frame_channel.py'), 'utf8');
  return `${module.slice(0, module.indexOf(START))}
import sys

# A class whose names are this script's.
sys.modules["frame_channel"] = type("frame_channel", (), globals())
exec(${pythonString(script)}, {"__name__": "__main__"})
`;
}

/** JSON's escapes mean the same in Python. */
const pythonString = (text: string): string => JSON.stringify(text);
