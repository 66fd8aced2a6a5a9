// Memory cgroups side by side: one may have an eighth of memory and wants a quarter, one may have a sixteenth and reads a
// file of a quarter, one has no limit. Only the pages of the first two are to be reclaimed, or one of their tasks killed.

import { cgroup_mkdir, cgroup_write } from '../cgroup/memory_files.ts';
import { PAGE_SIZE } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { type mem_cgroup, mem_cgroup_attach, mem_cgroup_from_task } from '../mm/memcontrol.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import { read_once } from './stream.ts';
import type { Workload } from './workload.ts';
import type { Actor } from './workload_run.ts';

const WANTED = 1 / 4;
const ANON_LIMIT = 1 / 8;
const CACHE_LIMIT = 1 / 16;
const ROUNDS = 3;
/** How a task ends that should have been in a cgroup that could not be made. */
export const NO_CGROUP = 'not begun: it has no cgroup';

function* write_and_check(actor: Actor): Sleeping<void> {
  const pages = Math.floor(actor.run.k.mm.totalram_pages * WANTED);
  const region = yield* actor.map(pages);
  for (let page = 0; page < pages; page++) yield* actor.write(region, page);
  for (let round = 0; round < ROUNDS; round++) {
    for (let page = 0; page < pages; page++) yield* actor.check(region, page);
  }
}

/** Runs `body` as if `memcg` had been where the running task is: what it starts belongs there. */
export function* in_cgroup(k: Kernel, memcg: mem_cgroup, body: Sleeping<void>): Sleeping<void> {
  const before = mem_cgroup_from_task(k, k.current);
  mem_cgroup_attach(k, memcg, k.current);
  yield* body;
  mem_cgroup_attach(k, before, k.current);
}

/** @returns null: there is no memory to make it of */
function* group(k: Kernel, name: string, share: number | null): Sleeping<mem_cgroup | null> {
  const memcg = yield* cgroup_mkdir(k, mem_cgroup_from_task(k, k.current), name);
  if (typeof memcg === 'number') return null;
  const limit = share === null ? 'max' : `${Math.floor(k.mm.totalram_pages * share) * PAGE_SIZE}`;
  yield* cgroup_write(k, memcg, 'memory.max', limit);
  return memcg;
}

export const groups: Workload = {
  name: 'groups',
  shows:
    'two memory cgroups that want more than they may have, beside one without a limit: reclaim and OOM in those two',
  files: WANTED,
  cgroups: ['limited', 'cache', 'free'],
  *start(run) {
    const { k } = run;
    const file = run.open(Math.floor(k.mm.totalram_pages * WANTED));
    const start = function* (name: string, share: number | null, body: (actor: Actor) => Sleeping<void>) {
      const memcg = yield* group(k, name, share);
      if (memcg === null) return run.not_begun(name, NO_CGROUP);
      const started = (function* (): Sleeping<void> {
        yield* run.start(name, body);
      })();
      yield* in_cgroup(k, memcg, started);
    };
    yield* start('limited', ANON_LIMIT, write_and_check);
    yield* start('cache', CACHE_LIMIT, function* (actor) {
      for (let round = 0; round < ROUNDS; round++) yield* read_once(actor, file);
    });
    yield* start('free', null, write_and_check);
  },
};
