// Steps that repeat, told once: rounds of the slow path in which nothing changes, the blocks that fill a per-cpu list,
// orders of which there is no block.

import type { Step } from './explain_step.ts';

export type ListStep = Extract<Step, { code: 'lists' }>;
export type OrderStep = Extract<Step, { code: 'fallback_order' }>;

interface Round {
  readonly steps: readonly Step[];
  /** How often it came in a row. */
  readonly times: number;
}

/** All that decides a step, without the count of rounds. */
const key = (step: Step): string =>
  JSON.stringify(step.code === 'reclaim_retry' ? { ...step, loops: Math.min(step.loops, 1) } : step);

/** Where a round of the slow path is over: whether to try once more has been decided, or somebody may have been killed. */
const ends_round = (step: Step): boolean =>
  step.code === 'reclaim_retry' || (step.code === 'call' && step.what === 'oom');

/** Steps of each round; the same in a row once. */
export function rounds(steps: readonly Step[]): Round[] {
  const result: { steps: Step[]; keys: string[]; times: number }[] = [];
  let round: Step[] = [];
  for (const step of steps) {
    round.push(step);
    if (ends_round(step)) {
      add(result, round);
      round = [];
    }
  }
  if (round.length > 0) add(result, round);
  return result;
}

function add(result: { steps: Step[]; keys: string[]; times: number }[], steps: Step[]): void {
  const keys = steps.map(key);
  const last = result.at(-1);
  // The first round has the beginning of the request before it.
  if (last !== undefined && last.keys.slice(-keys.length).join() === keys.join()) last.times++;
  else result.push({ steps, keys, times: 1 });
}

/** More blocks in a row off one migratetype's lists than this are counted; the first and the last are told. */
const MOST = 8;

/** Steps that are told one by one, or in one line. */
export type Item = Step | readonly ListStep[] | readonly OrderStep[];

const is_none = (step: Step): step is OrderStep => step.code === 'fallback_order' && step.migratetype < 0;

/** The steps, with what is to be told in one line as a list in its place. */
export function runs(steps: readonly Step[]): Item[] {
  const items: Item[] = [];
  let cma: Step | null = null;
  for (let i = 0; i < steps.length; ) {
    const first = steps[i]!;
    const run: Step[] = [first];
    if (is_none(first)) {
      while (i + run.length < steps.length && is_none(steps[i + run.length]!)) run.push(steps[i + run.length]!);
      items.push(run.length > 1 ? (run as OrderStep[]) : first);
      i += run.length;
    } else if (first.code === 'lists' && first.found >= 0) {
      const { blocks, end } = blocks_from(steps, i, first, cma);
      items.push(...(blocks.length > MOST ? [first, blocks.slice(1, -1), blocks.at(-1)!] : blocks));
      i = end;
    } else {
      if (first.code === 'cma') cma = first;
      items.push(first);
      i++;
    }
  }
  return items;
}

/** The blocks from step `i` on that come off one migratetype's lists, and where the steps go on behind them. */
function blocks_from(
  steps: readonly Step[],
  i: number,
  first: ListStep,
  cma: Step | null,
): { readonly blocks: readonly ListStep[]; readonly end: number } {
  const blocks: ListStep[] = [];
  let end = i;
  for (; i < steps.length; i++) {
    const step = steps[i]!;
    if (step.code === 'lists' && step.found >= 0 && step.migratetype === first.migratetype) {
      blocks.push(step);
      end = i + 1;
    } else if (!(step.code === 'cma' && cma?.code === 'cma' && step.first === cma.first)) {
      break;
    }
    // Whether CMA goes first is asked anew for each block: the answer that it had before need not be told.
  }
  return { blocks, end };
}
