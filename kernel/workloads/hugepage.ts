// Huge pages where memory is in pieces: every second page of a task's memory is given up, then blocks of order 9 are asked for
// as faults of transparent huge pages ask for them.

import { GFP_KERNEL, GFP_TRANSHUGE } from '../include/gfp_types.ts';
import { PAGE_SIZE } from '../include/types.ts';
import { vm_munmap } from '../mm/mmap.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { Workload } from './workload.ts';
import type { Actor } from './workload_run.ts';

const HPAGE_PMD_ORDER = 9;
/** Of memory: each of the two halves that are written page by page in turn, and what is asked for in huge pages. */
const HALF = 0.47;
const WANTED = 0.4;
/** One page of the kernel's for so many of the task's. */
const KERNEL_EVERY = 1024;

function* body(actor: Actor): Sleeping<void> {
  const { k } = actor.run;
  const { totalram_pages } = k.mm;
  const pages = Math.floor(totalram_pages * HALF);
  const kept = yield* actor.map(pages);
  const given_up = yield* actor.map(pages);
  for (let page = 0; page < pages; page++) {
    yield* actor.write(kept, page);
    yield* actor.write(given_up, page);
    if (page % KERNEL_EVERY === 0) yield* actor.take(GFP_KERNEL, 0);
  }
  yield* vm_munmap(k, k.current.mm!, given_up.start, pages * PAGE_SIZE);
  const wanted = Math.floor((totalram_pages * WANTED) / 2 ** HPAGE_PMD_ORDER);
  let got = 0;
  for (let n = 0; n < wanted; n++) if ((yield* actor.take(GFP_TRANSHUGE, HPAGE_PMD_ORDER)) !== null) got++;
  actor.note = `${got} of ${wanted} huge pages could be had`;
  for (let page = 0; page < pages; page++) yield* actor.check(kept, page);
}

export const hugepage: Workload = {
  name: 'hugepage',
  shows: 'huge pages are asked for when every second page is free: direct compaction, migration, deferral',
  files: 0,
  *start(run) {
    yield* run.start('hugepage', body);
  },
};
