// A task that is bound to one node, and wants more memory than that has; on each other node somebody who wants little.

import { MPOL_BIND } from '../include/mempolicy.ts';
import { MAX_NR_ZONES } from '../include/mmzone.ts';
import type { nid_t } from '../include/types.ts';
import type { Kernel } from '../kernel.ts';
import { for_each_node_mask, nodemask_of_node } from '../lib/nodemask.ts';
import { set_mempolicy } from '../mm/mempolicy_set.ts';
import type { Sleeping } from '../sched/sleeping.ts';
import type { Workload } from './workload.ts';
import type { Actor, WorkloadRun } from './workload_run.ts';

const ROUNDS = 4;

function node_managed(k: Kernel, nid: nid_t): number {
  let pages = 0;
  for (let zone = 0; zone < MAX_NR_ZONES; zone++) pages += k.node_data[nid]!.node_zones[zone]?.managed_pages ?? 0;
  return pages;
}

function* bound(actor: Actor, nid: nid_t, share: number, rounds: number): Sleeping<void> {
  const { k } = actor.run;
  set_mempolicy(k, MPOL_BIND, nodemask_of_node(nid));
  const pages = Math.floor(node_managed(k, nid) * share);
  const region = yield* actor.map(pages);
  for (let round = 0; round < rounds; round++) {
    for (let page = 0; page < pages; page++) yield* actor.write(region, page);
    for (let page = 0; page < pages; page++) yield* actor.check(region, page);
  }
}

export const hog: Workload = {
  name: 'hog',
  shows: 'a task bound to the last node wants more than that has: one kswapd at work, the other nodes left alone',
  files: 0,
  *start(run: WorkloadRun) {
    const nodes = [...for_each_node_mask(run.k.node_states.N_MEMORY)];
    const last = nodes[nodes.length - 1]!;
    yield* run.start('hog', (actor) => bound(actor, last, 1.25, 1));
    for (const nid of nodes.slice(0, -1)) yield* run.start(`modest${nid}`, (actor) => bound(actor, nid, 1 / 8, ROUNDS));
  },
};
