// The Unicorn library of this host: found, checked for its version, and bound once for the process.

import { EngineError } from '../engine.ts';
import { type Binding, bind, type Koffi, loadKoffi } from './binding.ts';
import { findUnicorn, howToInstall } from './find.mjs';

export interface UnicornLibrary {
  readonly path: string;
  readonly version: string;
  readonly binding: Binding;
}

let loaded: UnicornLibrary | null = null;

/** @throws EngineError that tells the user what was looked for and what to install */
export function unicornLibrary(): UnicornLibrary {
  loaded ??= load();
  return loaded;
}

function load(): UnicornLibrary {
  let koffi: Koffi;
  try {
    koffi = loadKoffi();
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new EngineError(`koffi, which calls the emulator's library, does not load here: ${reason}`);
  }
  const found = findUnicorn(koffi);
  if ('problems' in found) throw new EngineError(howToInstall(found.problems));
  return { path: found.path, version: found.version, binding: bind(koffi, found.lib) };
}
