// A task from outside of all tasks, as boot code and commands need one.

import type { Kernel } from '../kernel.ts';
import { type TaskBody, user_mode_thread } from './fork.ts';
import { type RunResult, run } from './run.ts';

/** Runs `body` as a task until it is through. @returns 'done', or how the run ended before that */
export function run_task(k: Kernel, comm: string, body: TaskBody): RunResult {
  let done = false;
  user_mode_thread(k, comm, function* () {
    yield* body(k);
    done = true;
  });
  return run(k, { until: () => done });
}
