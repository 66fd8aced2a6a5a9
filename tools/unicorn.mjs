#!/usr/bin/env node
// Makes sure that there is a Unicorn library to run guest code with: takes the one that is there, or fetches one.
// Exit status 1, and what to install, where neither works.
//
// Debian 12's own package is too old, but Debian 13's runs there (it needs libc6 >= 2.34). It comes from the mirror that
// this machine's APT is set to, through APT, with private lists and a private source: APT checks the archive's
// signature as always, and the system's packages stay as they are. Only the library goes into .cache/unicorn.

import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { cachedLibrary, findUnicorn, howToInstall } from '../emu/unicorn/find.mjs';

const SUITE = 'trixie';
const PACKAGE = 'libunicorn2t64';
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

const run = (program, args, options = {}) =>
  execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], ...options });

/** The fields of /etc/os-release. */
function osRelease() {
  if (!existsSync('/etc/os-release')) return {};
  const lines = readFileSync('/etc/os-release', 'utf8').split('\n');
  return Object.fromEntries(
    lines.map((line) => line.split('=')).map(([key, value]) => [key, value?.replace(/"/g, '')]),
  );
}

/** The mirrors of Debian's main archive that APT is set to. */
function debianMirrors(codename) {
  const fields = '$(CODENAME)\t$(ORIGIN)\t$(CREATED_BY)\t$(REPO_URI)';
  const targets = run('apt-get', ['indextargets', '--format', fields])
    .split('\n')
    .filter((line) => line.startsWith(`${codename}\tDebian\tPackages\t`))
    .map((line) => line.split('\t')[3]);
  // APT knows what an archive holds once it has loaded its lists. Before that, the addresses that it would load tell.
  return [...new Set(targets.length > 0 ? targets : configuredMirrors(codename))];
}

function configuredMirrors(codename) {
  const dists = new RegExp(`^'(.*/)dists/(?:${codename}|stable|oldstable)/InRelease'`);
  return run('apt-get', ['--print-uris', 'update'])
    .split('\n')
    .map((line) => dists.exec(line)?.[1])
    .filter((uri) => uri !== undefined);
}

/** Fetches the package from one mirror, and puts its library into the cache. */
function fetchFrom(mirror, folder) {
  const at = (...parts) => join(folder, ...parts);
  for (const part of ['lists/partial', 'cache/archives/partial', 'root']) mkdirSync(at(part), { recursive: true });
  const signedBy = existsSync(KEYRING) ? `[signed-by=${KEYRING}] ` : '';
  writeFileSync(at('sources.list'), `deb ${signedBy}${mirror} ${SUITE} main\n`);
  const options = [
    `Dir::Etc::sourcelist=${at('sources.list')}`,
    'Dir::Etc::sourceparts=-',
    `Dir::State::lists=${at('lists')}`,
    `Dir::Cache=${at('cache')}`,
    // APT's own user may not read a private folder.
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
    'APT::Update::Error-Mode=any',
  ].flatMap((option) => ['-o', option]);
  run('apt-get', [...options, '-q', 'update']);
  run('apt-get', [...options, '-q', 'download', PACKAGE], { cwd: folder });
  const deb = readdirSync(folder).find((name) => name.endsWith('.deb'));
  run('dpkg', ['-x', at(deb), at('root')]);
  const wanted = basename(cachedLibrary());
  const library = run('find', [at('root'), '-name', wanted])
    .trim()
    .split('\n')[0];
  mkdirSync(dirname(cachedLibrary()), { recursive: true });
  // In place at once, so that nobody loads half a library.
  copyFileSync(realpathSync(library), `${cachedLibrary()}.new`);
  renameSync(`${cachedLibrary()}.new`, cachedLibrary());
}

/** @returns why it could not be fetched, or null */
function fetchLibrary() {
  const { ID, VERSION_CODENAME } = osRelease();
  if (ID !== 'debian') return 'not Debian, so there is no package to take';
  let mirrors;
  try {
    mirrors = debianMirrors(VERSION_CODENAME);
  } catch (error) {
    return `apt-get indextargets failed: ${reason(error)}`;
  }
  if (mirrors.length === 0) return `APT has no source for Debian's ${VERSION_CODENAME}`;
  let failure = null;
  for (const mirror of mirrors) {
    const folder = mkdtempSync(join(tmpdir(), 'pgdat-unicorn-'));
    try {
      console.log(`pgdat: taking Debian's ${PACKAGE} (${SUITE}) from APT's mirror into .cache/unicorn`);
      fetchFrom(mirror, folder);
      return null;
    } catch (error) {
      failure = `${PACKAGE} could not be taken from ${mirror}: ${reason(error)}`;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  return failure;
}

/** What a failed program said last. */
function reason(error) {
  const lines = `${error.stderr ?? ''}`.split('\n').filter((line) => /^[EW]:/.test(line));
  if (lines.some((line) => line.includes('NO_PUBKEY'))) lines.push('(upgrade the package debian-archive-keyring)');
  return lines.length > 0 ? lines.join(' ') : error.message;
}

let koffi;
try {
  koffi = createRequire(import.meta.url)('koffi');
} catch (error) {
  console.error(`pgdat: koffi, which calls the emulator's library, does not load here: ${error.message}`);
  process.exit(1);
}
let found = findUnicorn(koffi);
if ('problems' in found && !process.env.PGDAT_LIBUNICORN) {
  const failure = fetchLibrary();
  found = findUnicorn(koffi);
  if (failure !== null && 'problems' in found) found.problems.push(`fetching it: ${failure}`);
}
if ('problems' in found) {
  console.error(`pgdat: ${howToInstall(found.problems)}`);
  process.exitCode = 1;
}
