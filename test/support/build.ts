// Assembles the guest code once before any test runs. The bundle is not made here: a test that runs the command line
// as a process gets it from bin/pgdat.mjs, and all other tests run from source.

import { bringUpToDate } from '../../tools/build.mjs';

export default async function setup(): Promise<void> {
  await bringUpToDate({ code: false });
}
