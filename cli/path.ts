// File names as the user wrote them. npm runs a script in the project's folder and says in INIT_CWD where it was called.

import { resolve } from 'node:path';

/** The script of package.json that is this command line. */
const NPM_SCRIPT = 'pgdat';

/**
 * Where a file is that the user named. Anything but our own npm script leaves the working folder alone: a test run by
 * npm, or a shell started by it, means its own.
 */
export function userPath(path: string, env: NodeJS.ProcessEnv = process.env): string {
  const from = env['npm_lifecycle_event'] === NPM_SCRIPT ? env['INIT_CWD'] : undefined;
  return from === undefined ? path : resolve(from, path);
}
