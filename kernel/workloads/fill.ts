// Anonymous memory for a quarter more than there is: with swap kswapd has to find room for it, and without there is none.

import type { Sleeping } from '../sched/sleeping.ts';
import type { Workload } from './workload.ts';
import type { Actor } from './workload_run.ts';

/** Writes anonymous pages, then some at random once more, and looks at all of them. */
export function* write_and_read(actor: Actor, pages: number): Sleeping<void> {
  const { run } = actor;
  const region = yield* actor.map(pages);
  for (let page = 0; page < pages; page++) yield* actor.write(region, page);
  for (let n = 0; n < pages >>> 3; n++) {
    const page = run.chance(pages);
    yield* actor.check(region, page);
    yield* actor.write(region, page);
  }
  for (let page = 0; page < pages; page++) yield* actor.check(region, page);
}

const body = (actor: Actor): Sleeping<void> => write_and_read(actor, Math.floor(actor.run.k.mm.totalram_pages * 1.25));

export const fill: Workload = {
  name: 'fill',
  shows: 'one task writes a quarter more anonymous memory than there is RAM: kswapd, direct reclaim, swap or OOM',
  files: 0,
  *start(run) {
    yield* run.start('fill', body);
  },
};
