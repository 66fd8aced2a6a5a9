import { expect, test } from 'vitest';
import { findUnicorn, howToInstall, isNewEnough } from '../../../emu/unicorn/find.mjs';

/** A koffi that knows the given files; a library answers uc_version() as Unicorn packs it. */
function fakeKoffi(files: Readonly<Record<string, [number, number, number] | 'other library'>>) {
  const unloaded: string[] = [];
  const load = (path: string) => {
    const entry = Object.entries(files).find(([name]) => path.endsWith(name));
    if (entry === undefined) throw new Error(`Failed to load shared library: ${path}`);
    const [name, what] = entry;
    return {
      func: () => {
        if (what === 'other library') throw new Error('Cannot find function uc_version');
        const [major, minor, patch] = what;
        return () => (major << 24) | (minor << 16) | (patch << 8) | 0xff;
      },
      unload: () => unloaded.push(name),
    };
  };
  return { koffi: { load } as never, unloaded };
}

const SYSTEM = process.platform === 'darwin' ? 'libunicorn.2.dylib' : 'libunicorn.so.2';
const find = (files: Parameters<typeof fakeKoffi>[0], named = '') => findUnicorn(fakeKoffi(files).koffi, named);

test.each([
  [[2, 0, 1], false],
  [[2, 1, 0], false],
  [[2, 1, 1], true],
  [[2, 1, 4], true],
  [[2, 2, 0], true],
  [[3, 0, 0], true],
  [[1, 9, 9], false],
])('version %j is new enough: %s', (version, wanted) => {
  expect(isNewEnough(version)).toBe(wanted);
});

test('the system’s library is taken when it is new enough', () => {
  expect(find({ [SYSTEM]: [2, 1, 1] })).toMatchObject({ path: SYSTEM, version: '2.1.1' });
});

test('Debian 12’s 2.0.1, which does not translate addresses, is refused and put back', () => {
  const { koffi, unloaded } = fakeKoffi({ [SYSTEM]: [2, 0, 1] });
  const found = findUnicorn(koffi, '');
  if (!('problems' in found)) throw new Error('accepted');
  expect(found.problems[0]).toBe(`the system's ${SYSTEM}: version 2.0.1 is too old`);
  expect(unloaded).toContain(SYSTEM);
});

test('the copy in the cache is next', () => {
  const cached = `.cache/unicorn/${SYSTEM}`;
  expect(find({ [cached]: [2, 1, 1] })).toMatchObject({ version: '2.1.1', path: expect.stringContaining(cached) });
});

test('a file that the user names is taken or refused, and nothing else is tried', () => {
  expect(find({ '/opt/u.so': [2, 1, 4], [SYSTEM]: [2, 1, 1] }, '/opt/u.so')).toMatchObject({ path: '/opt/u.so' });
  expect(find({ '/opt/u.so': [2, 0, 1], [SYSTEM]: [2, 1, 1] }, '/opt/u.so')).toEqual({
    problems: ['PGDAT_LIBUNICORN=/opt/u.so: version 2.0.1 is too old'],
  });
  expect(find({ [SYSTEM]: [2, 1, 1] }, '/opt/u.so')).toEqual({ problems: ['PGDAT_LIBUNICORN=/opt/u.so: not there'] });
  expect(find({ '/opt/u.so': 'other library' }, '/opt/u.so')).toEqual({
    problems: ['PGDAT_LIBUNICORN=/opt/u.so: not a Unicorn library'],
  });
});

test('the message says what was found and what to install on each system', () => {
  const found = find({ [SYSTEM]: [2, 0, 1] });
  if (!('problems' in found)) throw new Error('accepted');
  const text = howToInstall(found.problems);
  for (const part of [
    '2.1.1 or later',
    '2.0.1 is too old',
    'Debian 12',
    'Debian 13',
    'Fedora',
    'macOS',
    '--firmware none',
  ]) {
    expect(text).toContain(part);
  }
});
