// What may sleep. Such a function is a generator and is called with `yield*`, up to the body of the task that it runs in;
// the word `yield` itself stands in sched/core.ts alone, where a task gives up its CPU.

import { KernelBug } from '../lib/bug.ts';

export type Sleeping<T> = Generator<undefined, T, undefined>;

/** What another part of the kernel answers: at once, or in its own time. */
export type MaySleep<T extends number | boolean> = T | Sleeping<T>;

export function* answer_of<T extends number | boolean>(answer: MaySleep<T>): Sleeping<T> {
  return typeof answer === 'object' ? yield* answer : answer;
}

/**
 * Runs what may sleep where nothing could wake it: it must come to its end at one go.
 * @param who is named when it does sleep, which is a mistake in our own code
 */
export function not_sleeping<T>(body: Sleeping<T>, who: string): T {
  const { done, value } = body.next();
  if (done !== true) throw new KernelBug(`kernel BUG: ${who} came to where it has to sleep`);
  return value;
}
