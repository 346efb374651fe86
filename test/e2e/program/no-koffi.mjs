// Loaded with --import: the package koffi cannot be loaded, and it is said on stderr when a program tries.
import Module from 'node:module';

const resolve = Module._resolveFilename;
Module._resolveFilename = (request, ...rest) => {
  if (request !== 'koffi') return resolve(request, ...rest);
  process._rawDebug('koffi is asked for');
  throw new Error('Cannot find module koffi');
};
