// Steps that repeat, told once: rounds of the slow path in which nothing changes, and the blocks that fill a per-cpu list.

import type { Step } from './explain_step.ts';

export type ListStep = Extract<Step, { code: 'lists' }>;

interface Round {
  readonly steps: readonly Step[];
  /** How often it came in a row. */
  readonly times: number;
}

/** All that decides a step, without the count of rounds. */
const key = (step: Step): string =>
  JSON.stringify(step.code === 'reclaim_retry' ? { ...step, loops: Math.min(step.loops, 1) } : step);

/** Steps up to and with each decision to try once more; the same in a row once. */
export function rounds(steps: readonly Step[]): Round[] {
  const result: { steps: Step[]; keys: string[]; times: number }[] = [];
  let round: Step[] = [];
  for (const step of steps) {
    round.push(step);
    if (step.code === 'reclaim_retry' && step.again) {
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

/** The steps, with what is to be counted as a list in its place. */
export function runs(steps: readonly Step[]): (Step | readonly ListStep[])[] {
  const result: (Step | readonly ListStep[])[] = [];
  let run: ListStep[] = [];
  let cma: Step | null = null;
  const flush = (): void => {
    result.push(...(run.length > MOST ? [run[0]!, run.slice(1, -1), run.at(-1)!] : run));
    run = [];
  };
  for (const step of steps) {
    // Asked anew for each block of a run, with the answer that it had before.
    if (step.code === 'cma' && run.length > 0 && cma?.code === 'cma' && step.first === cma.first) continue;
    if (step.code === 'lists' && step.found >= 0) {
      if (run.length > 0 && run[0]!.migratetype !== step.migratetype) flush();
      run.push(step);
      continue;
    }
    flush();
    if (step.code === 'cma') cma = step;
    result.push(step);
  }
  flush();
  return result;
}
