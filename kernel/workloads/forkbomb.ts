// Tasks that do little but make more of themselves: each writes to some of what it has from its parent, some of its own,
// and has two children, until there have been enough of them.

import type { Sleeping } from '../sched/sleeping.ts';
import { msleep } from '../sched/timeout.ts';
import type { Workload } from './workload.ts';
import { type Actor, Region } from './workload_run.ts';

/** As RLIMIT_NPROC has it, and how many in all. */
const MAX_ALIVE = 128;
const MAX_TASKS = 384;
const CHILDREN = 2;

/** What all that are alive want together is a quarter more than there is. */
function* bomb(actor: Actor, old: Region | null): Sleeping<void> {
  const { run } = actor;
  const pages = Math.max(16, Math.floor((run.k.mm.totalram_pages * 1.25) / MAX_ALIVE));
  const region = old ?? (yield* actor.map(pages));
  for (let page = 0; page < pages; page++) {
    yield* actor.check(region, page);
    if (old === null || run.chance(4) > 0) yield* actor.write(region, page);
  }
  for (let n = 0; n < CHILDREN && run.nr_running < MAX_ALIVE && run.actors.length < MAX_TASKS; n++) {
    const inherited = new Region(region.start, region.keys.slice());
    yield* actor.fork('forkbomb', (child) => bomb(child, inherited));
    yield* msleep(run.k, run.chance(20));
  }
  for (let page = 0; page < pages; page++) yield* actor.check(region, page);
}

export const forkbomb: Workload = {
  name: 'forkbomb',
  shows: 'small tasks that fork: shared pages, copy on write, page tables, many victims to choose from',
  files: 0,
  *start(run) {
    yield* run.start('forkbomb', (actor) => bomb(actor, null));
  },
};
