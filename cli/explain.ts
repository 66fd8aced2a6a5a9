// `--explain FLAGS,order=N,node=N`: one request to a kernel that has booted, with every step that it took.

import { migratetype_names, zone_names } from '../kernel/include/mmzone.ts';
import type { gfp_t, nid_t, pfn_t } from '../kernel/include/types.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { KernelBug, KernelPanic } from '../kernel/lib/bug.ts';
import { for_each_node_mask, nodemask_of_node } from '../kernel/lib/nodemask.ts';
import { format_gfp } from '../kernel/mm/gfp.ts';
import { __alloc_pages, alloc_pages_sleeping } from '../kernel/mm/page_alloc.ts';
import { user_mode_thread } from '../kernel/sched/fork.ts';
import { run } from '../kernel/sched/run.ts';
import type { Sleeping } from '../kernel/sched/sleeping.ts';
import { explained } from '../kernel/trace/explain.ts';
import type { Step } from '../kernel/trace/explain_step.ts';
import { alloc_flags_text, explain_text, mark_names } from '../kernel/trace/explain_text.ts';
import { UsageError } from './command.ts';
import { nearestName } from './near.ts';
import { CaseError } from './oracle/fields.ts';
import { gfpNames, parseGfp } from './oracle/gfp_text.ts';

export const requestNotes = [
  'REQUEST is FLAGS[,order=N][,node=N]. FLAGS: names (GFP_KERNEL, __GFP_NOWARN, ...) and numbers (0xcc0), with | & ~ and',
  'brackets. order: 0 (as if left out) to 10; larger ones the kernel refuses. node: the one to begin with, 0 if left out.',
  'CPU 0 asks. Pages that a request is given stay with it: those after it find them gone.',
];

export interface Request {
  readonly text: string;
  readonly gfp: number;
  readonly order: number;
  readonly node: number;
}

export interface Explanation {
  readonly request: string;
  readonly steps: readonly Step[];
}

/** @throws UsageError */
export function explainRequest(text: string): Request {
  const wrong = (what: string): never => {
    throw new UsageError([`--explain ${text}: ${what}, as in GFP_ATOMIC,order=3,node=0`]);
  };
  const [flags = '', ...settings] = text.split(',').map((part) => part.trim());
  const numbers = new Map<string, number>();
  for (const setting of settings) {
    const [, name = '', value = ''] =
      /^(order|node)\s*=\s*(.*)$/.exec(setting) ?? wrong(`'${setting}' is neither order=N nor node=N`);
    if (!/^\d{1,4}$/.test(value)) wrong(`${name} is a number from 0 on, found '${value}'`);
    if (numbers.has(name)) wrong(`${name}= is there twice`);
    numbers.set(name, Number(value));
  }
  try {
    return { text, gfp: parseGfp(flags), order: numbers.get('order') ?? 0, node: numbers.get('node') ?? 0 };
  } catch (error) {
    if (error instanceof CaseError) return wrong(`'${flags}' is no expression of allocation flags${hint(flags)}`);
    throw error;
  }
}

/** For the first name in `flags` that is none. */
function hint(flags: string): string {
  const unknown = flags.match(/[a-z_]\w*/gi)?.find((name) => !gfpNames.includes(name));
  const near = unknown === undefined ? null : nearestName(unknown, gfpNames);
  return near === null ? '' : ` (did you mean ${near}?)`;
}

export interface Explained {
  readonly explanations: readonly Explanation[];
  /** The kernel's end, if a request was it: those after it are not made. */
  readonly ended: KernelPanic | KernelBug | null;
}

/**
 * Once the machine has booted: whether it has the nodes.
 * @throws UsageError
 */
export function checkRequests(k: Kernel, requests: readonly Request[]): void {
  const nodes = [...for_each_node_mask(k.node_possible_map)].filter((nid) => k.node_data[nid] !== undefined);
  const problems = requests
    .filter(({ node }) => !nodes.includes(node))
    .map(({ text, node }) => `--explain ${text}: there is no node ${node}, the nodes are ${nodes.join(', ')}`);
  if (problems.length > 0) throw new UsageError(problems);
}

/** Makes the requests one after the other, and keeps the pages. */
export function explainAll(k: Kernel, requests: readonly Request[]): Explained {
  const explanations: Explanation[] = [];
  for (const { text, gfp, order, node } of requests) {
    const { steps, stopped } = explained(k, () => make(k, gfp, order, node));
    explanations.push({ request: text, steps });
    if (stopped !== null) return { explanations, ended: stopped };
  }
  return { explanations, ended: null };
}

/** Where there is a workload, as a task beside its own: it may have to wait for its pages. Else nothing ever changes. */
function make(k: Kernel, gfp: gfp_t, order: number, node: nid_t): pfn_t {
  if (k.page_alloc.reclaim === null) return __alloc_pages(k, gfp, order, node);
  let pfn = -1;
  const body = function* (): Sleeping<void> {
    pfn = yield* alloc_pages_sleeping(k, gfp, order, node);
  };
  const task = user_mode_thread(k, 'explain', body, { cpus: nodemask_of_node(0) });
  k.trace.asking = task;
  run(k, { until: () => !k.sched.tasks.has(task) });
  return pfn;
}

const orNull = (value: number): number | null => (value < 0 ? null : value);
const typeName = (migratetype: number): string | null => migratetype_names[migratetype] ?? null;
const zoneName = (zone: number): string => zone_names[zone]!;

/** How each field is told that is more than a number. */
const views: Readonly<Record<string, (value: never) => unknown>> = {
  zone: zoneName,
  highest_zoneidx: zoneName,
  zones: (zones: readonly { nid: number; zone: number }[]) =>
    zones.map(({ nid, zone }) => ({ nid, zone: zoneName(zone) })),
  migratetype: typeName,
  before: (value: number | readonly number[]) => (typeof value === 'number' ? value : value.map(typeName)),
  after: (value: number | readonly number[]) => (typeof value === 'number' ? value : value.map(typeName)),
  level: (level: number) => mark_names[level],
  gfp: (gfp: number) => format_gfp(gfp) || '0',
  alloc_flags: alloc_flags_text,
  pfn: orNull,
  found: orNull,
  largest: orNull,
};

export const explanationsText = (explanations: readonly Explanation[]): string =>
  explanations.map(({ steps }) => explain_text(steps)).join('\n');

/** Steps for --json: zones, migratetypes, marks and flags by name, null for what is not there. */
export const explanationData = ({ request, steps }: Explanation): object => ({
  request,
  steps: steps.map((step) =>
    Object.fromEntries(
      Object.entries(step).map(([name, value]) => [name, name in views ? views[name]!(value as never) : value]),
    ),
  ),
});
