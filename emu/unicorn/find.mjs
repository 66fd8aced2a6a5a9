// Where libunicorn is looked for, by the emulator and by the set-up (tools/unicorn.mjs): the file that PGDAT_LIBUNICORN
// names, the system's library, a copy in the checkout's cache folder. The first that is new enough is taken.
//
// Plain JavaScript because set-up runs before anything is built. This is about the host, so it may look at the
// environment; nothing of it reaches the emulated machine.

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Earlier 2.0 releases do not translate addresses on x86. */
const OLDEST_VERSION = [2, 1, 1];

const fileName = process.platform === 'darwin' ? 'libunicorn.2.dylib' : 'libunicorn.so.2';
const systemPlaces =
  process.platform === 'darwin'
    ? [fileName, `/opt/homebrew/lib/${fileName}`, `/usr/local/lib/${fileName}`]
    : [fileName];

/** The nearest folder above this file, or above the bundle that holds it, with a package.json. */
function projectRoot() {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

/** Where set-up puts a library of its own. */
export const cachedLibrary = () => join(projectRoot(), '.cache', 'unicorn', fileName);

export const isNewEnough = (version) => {
  const differs = version.findIndex((part, i) => part !== OLDEST_VERSION[i]);
  return differs === -1 || version[differs] > OLDEST_VERSION[differs];
};

/** The version of a loaded library: major, minor, patch. */
function libraryVersion(lib) {
  const packed = lib.func('unsigned int uc_version(void *major, void *minor)')(null, null);
  return [packed >>> 24, (packed >>> 16) & 0xff, (packed >>> 8) & 0xff];
}

/**
 * @returns {{lib: object, path: string, version: string} | {problems: string[]}} the library, or why each place has none
 */
export function findUnicorn(koffi, named = process.env.PGDAT_LIBUNICORN) {
  const problems = [];
  // Who names a file wants that one or an error.
  const places = named
    ? [{ path: named, title: `PGDAT_LIBUNICORN=${named}` }]
    : [
        ...systemPlaces.map((path) => ({ path, title: `the system's ${path}` })),
        { path: cachedLibrary(), title: 'the copy in .cache/unicorn' },
      ];
  for (const { path, title } of places) {
    let lib;
    try {
      lib = koffi.load(path);
    } catch (error) {
      const missing = !path.includes('/') || !existsSync(path);
      problems.push(`${title}: ${missing ? 'not there' : error.message}`);
      continue;
    }
    let version;
    try {
      version = libraryVersion(lib);
    } catch {
      problems.push(`${title}: not a Unicorn library`);
      continue;
    }
    if (isNewEnough(version)) return { lib, path, version: version.join('.') };
    problems.push(`${title}: version ${version.join('.')} is too old`);
    lib.unload();
  }
  return { problems };
}

/** What a user can do where no library was found. */
export function howToInstall(problems) {
  return [
    `no Unicorn CPU emulator of version ${OLDEST_VERSION.join('.')} or later:`,
    ...problems.map((problem) => `  ${problem}`),
    'To install it:',
    '  Debian 12                  node tools/unicorn.mjs  (puts a copy into .cache, the system stays as it is)',
    '  Debian 13, Ubuntu 25.04    apt install libunicorn2t64',
    '  Fedora                     dnf install unicorn',
    '  macOS                      brew install unicorn',
    '  elsewhere                  pip install unicorn, and set PGDAT_LIBUNICORN to the libunicorn.so.2 in it',
    'Without it, --firmware none boots the same machine without a CPU.',
  ].join('\n');
}
