// Relative file names: in the folder where the user stands, also where npm runs the command in another.

import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { userPath } from '../../cli/path.ts';

it.each([
  ['called as it is', {}, 'm.json', 'm.json'],
  [
    "our npm script: the caller's folder",
    { npm_lifecycle_event: 'pgdat', INIT_CWD: '/home/u' },
    'm.json',
    '/home/u/m.json',
  ],
  ['upwards', { npm_lifecycle_event: 'pgdat', INIT_CWD: '/home/u' }, '../m.json', '/home/m.json'],
  ['absolute', { npm_lifecycle_event: 'pgdat', INIT_CWD: '/home/u' }, '/m.json', '/m.json'],
  ['another script that calls us', { npm_lifecycle_event: 'test', INIT_CWD: '/home/u' }, 'm.json', 'm.json'],
])('%s', (_name, env, path, wanted) => {
  expect(resolve(userPath(path, env))).toBe(resolve(wanted));
});
