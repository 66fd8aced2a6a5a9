// Assembles the guest code once before any test runs.

import { bringUpToDate } from '../../tools/build.mjs';

export default async function setup(): Promise<void> {
  await bringUpToDate({ code: true });
}
